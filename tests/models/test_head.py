import torch

from vireid.models.head import Head


def test_the_neck_has_a_frozen_zero_bias_and_the_classifier_none():
    head = Head(8, 3)
    assert not head.neck.bias.requires_grad
    assert not head.neck.bias.any()
    assert head.classifier.bias is None
    head(torch.randn(4, 8))[1].square().sum().backward()
    assert head.neck.bias.grad is None
    assert head.neck.weight.grad is not None


def test_weights_start_as_in_agw():
    torch.manual_seed(0)
    head = Head(2048, 395)
    neck, classifier = head.neck.weight.detach(), head.classifier.weight.detach()
    assert abs(neck.mean().item() - 1) < 1e-3
    assert 0.009 < neck.std().item() < 0.011
    assert abs(classifier.mean().item()) < 1e-5
    assert 0.00099 < classifier.std().item() < 0.00101


def test_logits_come_from_the_normalised_feature():
    head = Head(6, 4)
    features = 3 + 2 * torch.randn(32, 6)
    normalized, logits = head(features)
    expected = (features - features.mean(0)) / torch.sqrt(features.var(0, unbiased=False) + 1e-5) * head.neck.weight
    torch.testing.assert_close(normalized, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(logits, normalized @ head.classifier.weight.T)
