import pytest
import torch
from torch import nn

from vireid.models.attention import attend


@pytest.mark.parametrize("kind", ["itself", "two", "three"])
@pytest.mark.parametrize(("width", "heads", "tokens"), [(8, 2, 16), (18, 6, 5), (12, 1, 3)])
def test_it_is_pytorchs_own_module_to_the_bit(kind: str, width: int, heads: int, tokens: int):
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(width, heads, batch_first=True)
    nn.init.normal_(attention.in_proj_bias)

    def found(ours: bool) -> list[torch.Tensor]:
        first, second, third = torch.randn(3, 4, tokens, width, generator=torch.Generator().manual_seed(1))
        first.requires_grad_(), second.requires_grad_()
        asked, keys, values = {
            "itself": (first, first, first),
            "two": (first, first, 0.3 * first + second),
            "three": (first, second, third),
        }[kind]
        given = {} if kind != "three" else {"keys": keys}
        out = (
            attend(attention, asked, values, **given) if ours else attention(asked, keys, values, need_weights=False)[0]
        )
        wanted = [first, *([] if kind == "itself" else [second]), *attention.parameters()]
        return [out, *torch.autograd.grad((asked + out).square().sum(), wanted)]

    for one, other in zip(found(True), found(False), strict=True):
        assert torch.equal(one, other)


def test_bf16_on_a_cpu_attends_in_float32_and_puts_out_bf16():
    torch.manual_seed(0)
    attention = nn.MultiheadAttention(8, 2, batch_first=True)
    places = torch.randn(2, 6, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        seen = []
        original = torch.nn.functional.scaled_dot_product_attention

        def noted(*parts: torch.Tensor) -> torch.Tensor:
            seen.extend(part.dtype for part in parts)
            return original(*parts)

        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(torch.nn.functional, "scaled_dot_product_attention", noted)
            out = attend(attention, places, places)
    assert seen == [torch.float32] * 3
    assert out.dtype is torch.bfloat16
    torch.testing.assert_close(out.float(), attend(attention, places, places), rtol=0.05, atol=0.02)
