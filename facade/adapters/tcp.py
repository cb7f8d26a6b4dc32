"""What TCP is asked for beyond asyncio: that an end which is none is seen, and that progress is."""

from __future__ import annotations

import asyncio
import socket
import struct

_AT_ONCE = struct.pack("ii", 1, 0)
# Bytes that the kernel takes ahead of a peer's room for them: with megabytes in it a slow peer's progress is
# not seen for minutes, and it would pass for one that takes nothing.
_NOT_SENT = 128 * 1024


def end_with_reset(transport: asyncio.Transport) -> None:
    """Have the connection end with RST and not with FIN, which some take for the end of what was sent."""
    held = transport.get_extra_info("socket")
    if held is not None and not transport.is_closing():
        held.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _AT_ONCE)


def show_progress(held: socket.socket) -> None:
    """Have the kernel take little ahead; a listening socket hands that down to what it accepts."""
    if hasattr(socket, "TCP_NOTSENT_LOWAT"):
        held.setsockopt(socket.IPPROTO_TCP, socket.TCP_NOTSENT_LOWAT, _NOT_SENT)
