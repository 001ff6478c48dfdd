"""Free ports on loopback."""

import socket


def free_port() -> int:
    """Return a port on 127.0.0.1 that no other caller on this machine is given for a minute.

    The kernel chooses the port. A connection to it, closed from the server's side, leaves it in
    TIME_WAIT: a server may still bind it (with SO_REUSEADDR, as Go does), but the kernel chooses it
    for nobody else. So parallel runs need no lock files.
    """
    with socket.socket() as server:
        server.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        server.bind(("127.0.0.1", 0))
        server.listen(1)
        address: tuple[str, int] = server.getsockname()
        with socket.create_connection(address):
            server.accept()[0].close()
        return address[1]
