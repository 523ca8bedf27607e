"""docker-py against the daemon that DOCKER_HOST names: one subject a run."""

import io
import sys
import tarfile
import time

import docker

IMAGE = "busybox:latest"


def run(client):
    assert client.containers.run(IMAGE, ["echo", "hi"], remove=True) == b"hi\n"
    try:
        client.containers.run(IMAGE, ["sh", "-c", "echo bad >&2; exit 3"], remove=True)
        raise AssertionError("a failing command passed")
    except docker.errors.ContainerError as error:
        assert error.exit_status == 3 and b"bad" in error.stderr, error


def logs(client):
    container = client.containers.run(
        IMAGE, ["sh", "-c", "echo one; echo two >&2; sleep 600"], detach=True
    )
    followed = container.logs(stream=True, follow=True)
    seen = next(followed) + next(followed)
    assert b"one\n" in seen and b"two\n" in seen, seen
    assert container.logs(stderr=False) == b"one\n"
    assert container.logs(tail=1, stdout=True, stderr=True).count(b"\n") == 1
    container.reload()
    assert container.status == "running", container.status
    container.kill()
    assert container.wait()["StatusCode"] == 137
    container.remove()


def attach(client):
    container = client.containers.create(IMAGE, "cat", stdin_open=True)
    socket = container.attach_socket(
        params={"stdin": 1, "stdout": 1, "stream": 1}
    )
    container.start()
    socket._sock.sendall(b"echoed\n")
    header = socket.read(8)
    assert header[:4] == b"\x01\0\0\0", header
    assert socket.read(int.from_bytes(header[4:], "big")) == b"echoed\n"
    socket.close()
    container.remove(force=True)


def execute(client):
    container = client.containers.run(IMAGE, ["sleep", "600"], detach=True)
    result = container.exec_run(["sh", "-c", "echo $A; exit 4"], environment={"A": "b"})
    assert (result.exit_code, result.output) == (4, b"b\n"), result
    out, err = container.exec_run(["sh", "-c", "echo o; echo e >&2"], demux=True).output
    assert (out, err) == (b"o\n", b"e\n")
    container.remove(force=True)


def archive(client):
    container = client.containers.run(IMAGE, ["sleep", "600"], detach=True)
    packed = io.BytesIO()
    with tarfile.open(fileobj=packed, mode="w") as tar:
        info = tarfile.TarInfo("file")
        info.size = 4
        tar.addfile(info, io.BytesIO(b"data"))
    assert container.put_archive("/tmp", packed.getvalue())
    pieces, stat = container.get_archive("/tmp/file")
    assert (stat["name"], stat["size"]) == ("file", 4), stat
    with tarfile.open(fileobj=io.BytesIO(b"".join(pieces))) as tar:
        assert tar.extractfile("file").read() == b"data"
    container.remove(force=True)


def stats(client):
    container = client.containers.run(IMAGE, ["sleep", "600"], detach=True)
    shown = container.stats(stream=False)
    assert shown["memory_stats"]["usage"] > 0, shown
    assert shown["pids_stats"]["current"] == 1, shown
    container.remove(force=True)


def events(client):
    before = int(time.time()) - 1
    client.containers.run(IMAGE, "true", remove=True)
    heard = client.events(since=before, until=int(time.time()) + 1, decode=True)
    actions = [e["Action"] for e in heard if e["Type"] == "container"]
    wanted = ["create", "start", "die", "destroy"]
    assert [a for a in actions if a in wanted] == wanted, actions


def networks(client):
    network = client.networks.create("shop", driver="bridge", labels={"a": "b"})
    container = client.containers.run(
        IMAGE, ["sleep", "600"], detach=True, name="web", network="shop"
    )
    network.reload()
    assert [c.name for c in network.containers] == ["web"]
    found = client.containers.run(
        IMAGE, ["nslookup", "-type=a", "web"], network="shop", remove=True
    )
    container.reload()
    address = container.attrs["NetworkSettings"]["Networks"]["shop"]["IPAddress"]
    assert address.encode() in found, found
    other = client.networks.create("other")
    other.connect(container, aliases=["front"])
    container.reload()
    assert set(container.attrs["NetworkSettings"]["Networks"]) == {"shop", "other"}
    other.disconnect(container)
    assert client.networks.list(names=["shop"])[0].id == network.id
    container.remove(force=True)
    network.remove()
    assert client.networks.prune()["NetworksDeleted"] == ["other"]


def volumes(client):
    volume = client.volumes.create("data", labels={"a": "b"})
    assert volume.attrs["Labels"] == {"a": "b"}
    mounts = {"data": {"bind": "/d", "mode": "rw"}}
    client.containers.run(IMAGE, ["sh", "-c", "echo x > /d/f"], volumes=mounts, remove=True)
    mounts["data"]["mode"] = "ro"
    kept = client.containers.run(IMAGE, ["cat", "/d/f"], volumes=mounts, remove=True)
    assert kept == b"x\n", kept
    assert [v.name for v in client.volumes.list()] == ["data"]
    volume.remove()
    try:
        client.volumes.get("data")
        raise AssertionError("a removed volume is there")
    except docker.errors.NotFound:
        pass


if __name__ == "__main__":
    globals()[sys.argv[1]](docker.from_env(timeout=120))
    print("passed")
