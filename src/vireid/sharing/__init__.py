"""A run for others: its card, and the Hugging Face Hub."""

from vireid.sharing.card_file import CARD, card_text, write_card
from vireid.sharing.pulling import pull
from vireid.sharing.pushing import push
from vireid.sharing.shared_files import SharedFile, shared_files
from vireid.sharing.shared_network import SharedNetwork, from_pretrained

__all__ = [
    "CARD",
    "SharedFile",
    "SharedNetwork",
    "card_text",
    "from_pretrained",
    "pull",
    "push",
    "shared_files",
    "write_card",
]
