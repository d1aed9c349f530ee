"""``vireid serve`` and ``vireid token``: a gallery over HTTP, and who may use it."""

from __future__ import annotations

from pathlib import Path

from vireid.cli.config import DemoConfig
from vireid.cli.console import progress_console, say
from vireid.cli.demo_folder import GALLERY, RUN, WORLD
from vireid.cli.gallery_config import ServeConfig, TokenConfig
from vireid.types import MissingExtraError, VireidError

__all__ = ["serve_command", "token_command"]

_EXTRA = ("fastapi", "starlette", "uvicorn", "python_multipart", "prometheus_client")
_LARGEST_UPLOAD = 1000


def serve_command(config: ServeConfig) -> None:
    """Serve until the process is told to stop.

    Raises:
        VireidError: the extra is not installed, or what `vireid.service.server.serve` refuses.
    """
    try:
        from vireid.service.server import IMAGES, UNCOMPACTED, serve
    except ModuleNotFoundError as error:
        if error.name and error.name.partition(".")[0] not in _EXTRA:
            raise
        raise MissingExtraError("serving", str(error.name), "service") from error
    from vireid.cli.device import accelerator_for, pick_device
    from vireid.service import Settings

    if not 0 < config.max_upload <= _LARGEST_UPLOAD:
        raise VireidError(f"--max-upload is more than 0 and at most {_LARGEST_UPLOAD} MB, got {config.max_upload}")
    gallery, checkpoint, images = _what_is_served(config)
    home = config.home or Path(gallery)
    # A gallery on a server has no folder, and so none without a home.
    placed = "://" not in gallery or config.home is not None
    settings = Settings(
        kept_images=home / IMAGES if placed else None,
        keep_uploads=not config.forget_images,
        uncompacted=None if "://" in gallery else Path(gallery) / UNCOMPACTED,
        images_root=images,
        keep_days=config.keep_days,
        max_file=int(config.max_upload * (1 << 20)),
        max_request=int(4 * config.max_upload * (1 << 20)),
    )
    serve(
        gallery if "://" in gallery else Path(gallery),
        checkpoint,
        home=config.home,
        tokens=config.tokens,
        host=config.host,
        port=config.port,
        device=pick_device(accelerator_for(checkpoint, config.accelerator)),
        settings=settings,
        proxy=config.proxy,
        create=config.create,
        announce=lambda line: say(line, to=progress_console),
    )


def _what_is_served(config: ServeConfig) -> tuple[str, Path, Path | None]:
    """Gallery, checkpoint, and the root of the images that are shown."""
    if config.demo:
        if config.gallery or config.checkpoint:
            raise VireidError("--demo serves the demo's gallery and run; leave --gallery and --checkpoint out")
        demo = DemoConfig().out
        if not (demo / GALLERY).is_dir():
            raise VireidError(f"there is no gallery in {demo / GALLERY}; run vireid demo first, in this folder")
        return str(demo / GALLERY), demo / RUN, config.images or demo / WORLD
    if config.gallery is None or config.checkpoint is None:
        raise VireidError("to serve takes --gallery and --checkpoint, or --demo after vireid demo")
    return config.gallery, config.checkpoint, config.images


def token_command(config: TokenConfig) -> None:
    """Make a token and print it, this once.

    Raises:
        VireidError: see `vireid.service.add_token`.
    """
    from vireid.service import Role, add_token

    token = add_token(config.tokens, config.name, Role(config.role))
    say(token)
    say(
        f"the token of {config.name} ({config.role}); it is kept nowhere, {config.tokens} holds its hash",
        to=progress_console,
    )
