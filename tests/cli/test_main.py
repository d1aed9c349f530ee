"""Help, exit codes and errors of ``vireid``, also through the installed script."""

import builtins
import os
import subprocess
import sys
import time
import warnings
from pathlib import Path

import pytest
import torch

import vireid as package
from vireid.cli import doctor as doctor_module
from vireid.cli.main import main
from vireid.cli.termination import TERMINATED
from vireid.types import VireidError

COMMANDS = ("synth", "doctor", "train", "sweep", "import", "evaluate", "embed", "search", "index", "gallery", "demo")
SCRIPT = Path(sys.executable).with_name("vireid")


def call(*arguments, **keywords):
    return subprocess.run([SCRIPT, *map(str, arguments)], capture_output=True, text=True, timeout=60, **keywords)


def widest(text):
    return max(text.splitlines(), key=len)


def test_help_lists_the_commands_in_80_columns_and_names_completion(vireid, monkeypatch):
    monkeypatch.setenv("COLUMNS", "80")
    said = vireid("--help")
    assert said.code == 0
    for command in COMMANDS:
        assert f"• {command}" in said.out
    assert "--tyro-print-completion" in said.out
    # The parser writes the names of all commands in one line.
    _, _, below_usage = said.out.partition("\n\n")
    assert len(widest(below_usage)) <= 80, widest(below_usage)
    assert vireid().out == said.out


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_an_example_and_no_leftovers_of_python(vireid, monkeypatch, command):
    monkeypatch.setenv("COLUMNS", "80")
    said = vireid(command, "--help")
    assert said.code == 0
    assert f"For example:\n  vireid {command}" in said.out
    # The parser writes the names of all recipes in one line.
    _, _, below_usage = said.out.partition("\n\n")
    assert len(widest(below_usage)) <= 80, widest(below_usage)
    for leftover in ("{None}", "default: None", "default: False", "PosixPath"):
        assert leftover not in said.out


def test_every_part_of_a_recipe_has_a_flag(vireid):
    out = vireid("train", "mscmnet", "--help").out
    for flag in ("--network.no-mimb", "--loss.metric", "--views.erasing", "--optimizer.milestones", "--resume"):
        assert flag in out
    assert "--no-resume" not in out


def test_help_needs_no_torch():
    script = (
        "import sys\n"
        "from vireid.cli.main import main\n"
        "for arguments in (['--help'], ['train', 'mscmnet', '--help'], ['train', 'mscmnet']):\n"
        "    try:\n"
        "        main(arguments)\n"
        "    except SystemExit:\n"
        "        pass\n"
        "heavy = {'torch', 'torchvision', 'timm', 'lightning_fabric', 'cv2', 'scipy'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stderr.splitlines()[-1] == "[]"


def test_help_is_quick():
    # Of three, so that a busy machine does not decide; about 0.5 s on one core.
    seconds = []
    for _ in range(3):
        began = time.perf_counter()
        assert call("--help").returncode == 0
        seconds.append(time.perf_counter() - began)
        if seconds[-1] < 1:
            return
    assert min(seconds) < 3, seconds


def test_the_script_exits_with_what_a_command_found(tiny_world, tmp_path):
    sound = call("doctor", tiny_world, "--dataset", "sysu", "--quick")
    assert sound.returncode == 0
    assert "a run can start" in sound.stdout
    faulty = call("doctor", tmp_path, "--dataset", "sysu", "--quick")
    assert faulty.returncode == 1
    assert "a run would fail or be wrong" in faulty.stdout
    assert call("doctor", "--dataset", "sysu").returncode == 2


@pytest.mark.parametrize(
    ("arguments", "text"),
    [
        (["frob"], "Unrecognized options: frob"),
        (["doctor", "x", "--dataset", "mars"], "invalid choice 'mars'"),
        (["doctor", "x", "--datasett", "sysu"], "--datasett"),
        (["train", "mscmnet-small", "--root", "x"], "--out OUT"),
        (["evaluate", "--dataset", "sysu"], "--root ROOT"),
        (["search", "--checkpoint", "x"], "--queries PATH"),
        (["synth", "x", "--persons", "many"], "many"),
    ],
)
def test_wrong_usage_is_exit_code_2_on_standard_error(vireid, arguments, text):
    said = vireid(*arguments)
    assert said.code == 2
    assert text in said.err
    assert said.out == ""


def test_the_version_is_printed(vireid):
    assert vireid("--version") == (0, f"vireid {package.__version__}\n", "")


@pytest.mark.parametrize("shell", ["bash", "zsh"])
def test_the_shell_can_complete(vireid, shell):
    said = vireid("--tyro-print-completion", shell)
    assert not said.code  # None is 0 to sys.exit
    assert said.err == ""
    assert "evaluate" in said.out
    assert "--network.mimb-heads" in said.out


def test_bash_completes_commands_and_flags(tmp_path):
    file = tmp_path / "completion.sh"
    file.write_text(call("--tyro-print-completion", "bash").stdout)
    script = (
        f"source {file}; handler=$(complete -p vireid | sed 's/.*-F \\([^ ]*\\).*/\\1/')\n"
        "COMP_WORDS=(vireid eval); COMP_CWORD=1; $handler vireid eval vireid; echo ${COMPREPLY[@]}\n"
        "COMP_WORDS=(vireid train mscmnet-small --network.mimb-h); COMP_CWORD=3\n"
        "$handler vireid --network.mimb-h mscmnet-small; echo ${COMPREPLY[@]}\n"
    )
    done = subprocess.run(["bash", "-c", script], capture_output=True, text=True, timeout=60)
    assert done.stdout.splitlines() == ["evaluate", "--network.mimb-heads"]


def test_a_reader_that_stops_early_is_no_error():
    reader, writer = os.pipe()
    os.close(reader)
    done = subprocess.run(
        [SCRIPT, "--tyro-print-completion", "bash"], stdout=writer, stderr=subprocess.PIPE, text=True, timeout=60
    )
    os.close(writer)
    assert (done.returncode, done.stderr) == (0, "")


def failing(monkeypatch, error):
    """Let ``vireid doctor`` fail with an error."""

    def fail(config):
        raise error

    monkeypatch.setattr(doctor_module, "doctor", fail)
    return ["doctor", "x", "--dataset", "sysu"]


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (VireidError("the rule; what to do"), "vireid: error: the rule; what to do\n"),
        (
            PermissionError(13, "Permission denied", "/secret"),
            "vireid: error: cannot use /secret: Permission denied; choose a place that you may read and write, or give "
            "yourself the permission\n",
        ),
        (
            OSError(28, "No space left on device"),
            "vireid: error: cannot use a file that the system does not name: No space left on device; make room there "
            "or choose another place, and start the same command again\n",
        ),
        (OSError(5, "Input/output error", "/disk"), "vireid: error: [Errno 5] Input/output error: '/disk'\n"),
        (OSError("it is no regular file"), "vireid: error: it is no regular file\n"),
        (
            MemoryError("Unable to allocate 7 GiB"),
            "vireid: error: out of memory: Unable to allocate 7 GiB; take smaller ",
        ),
    ],
)
def test_what_a_user_can_mend_is_one_line_and_exit_code_2(vireid, monkeypatch, error, text):
    said = vireid(*failing(monkeypatch, error))
    assert said.code == 2
    assert said.out == ""
    assert said.err.startswith(text)
    assert said.err.count("\n") == 1


def test_a_full_gpu_is_told_from_a_fault(vireid, monkeypatch):
    torch = pytest.importorskip("torch")
    error = torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB. GPU 0 has ...")
    said = vireid(*failing(monkeypatch, error))
    assert said.code == 2
    assert said.err == "vireid: error: out of memory: CUDA out of memory; take smaller batches or images\n"


def test_debug_shows_where_an_error_arose(monkeypatch, capsys):
    assert main([*failing(monkeypatch, VireidError("the rule")), "--debug"]) == 2
    err = capsys.readouterr().err
    assert "Traceback" in err
    assert "in fail" in err
    assert err.endswith("vireid: error: the rule\n")


def test_a_fault_of_the_library_keeps_its_traceback(monkeypatch, capsys):
    assert main(failing(monkeypatch, builtins.ZeroDivisionError("oh"))) == 2
    err = capsys.readouterr().err
    assert "ZeroDivisionError: oh" in err
    assert "please report it" in err


def test_a_process_that_lost_another_of_its_job_says_so(vireid, monkeypatch, capsys):
    lost = RuntimeError("[/pytorch/third_party/gloo/gloo/transport/tcp/pair.cc:561] Connection closed by peer")
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: True)
    said = vireid(*failing(monkeypatch, lost))
    assert said == (
        2,
        "",
        "vireid: error: another process of this job has ended, and this one with it; what the other said tells why\n",
    )
    monkeypatch.setattr(torch.distributed, "is_initialized", lambda: False)
    assert main(failing(monkeypatch, lost)) == 2
    assert "a fault of vireid" in capsys.readouterr().err


@pytest.mark.parametrize(("code", "said"), [(TERMINATED, "vireid: terminated\n"), (2, "")])
def test_termination_is_exit_code_143_and_says_so(vireid, monkeypatch, code, said):
    assert vireid(*failing(monkeypatch, SystemExit(code))) == (code, "", said)


def test_an_interrupt_is_exit_code_130(vireid, monkeypatch):
    assert vireid(*failing(monkeypatch, KeyboardInterrupt())) == (130, "", "vireid: interrupted\n")


def test_advice_of_libraries_to_programmers_is_not_shown(vireid, monkeypatch):
    def advise(config):
        warnings.warn_explicit("set this", UserWarning, "x.py", 1, module="lightning_fabric.x")
        warnings.warn_explicit("mind this", UserWarning, "x.py", 1, module="vireid.x")
        return 0

    monkeypatch.setattr(doctor_module, "doctor", advise)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        assert vireid("doctor", "x", "--dataset", "sysu").code == 0
    assert [str(each.message) for each in caught] == ["mind this"]
