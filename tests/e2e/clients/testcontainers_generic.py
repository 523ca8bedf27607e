"""testcontainers with a generic container: an exposed port, a wait for logs."""

import socket

from testcontainers.core.container import DockerContainer
from testcontainers.core.waiting_utils import wait_for_logs

SERVE = "echo ready; while :; do echo served | nc -l -p 80; done"

with DockerContainer("busybox:latest").with_command(["sh", "-c", SERVE]).with_exposed_ports(
    80
) as container:
    wait_for_logs(container, "ready", timeout=90)
    port = int(container.get_exposed_port(80))
    with socket.create_connection(("127.0.0.1", port), timeout=60) as connection:
        assert connection.recv(100) == b"served\n"
print("passed")
