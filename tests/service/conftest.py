import shutil
import subprocess
from pathlib import Path

import pytest
from fastapi.testclient import TestClient

from lipwright.example import portrait, speech
from lipwright.service.app import create_app
from lipwright.service.jobs import JobStore
from lipwright.service.settings import Settings

NOBODY = "nobody"  # PostgreSQL refuses to run as root


@pytest.fixture
def settings(tmp_path):
    return Settings(data_dir=tmp_path / "data", devices=("cpu",), least_free_bytes=0).prepared()


@pytest.fixture
def app(tmp_path):
    """The service with nobody working, which takes small files only."""
    made = create_app(Settings(data_dir=tmp_path / "data", least_free_bytes=0, max_upload_bytes=3_000_000))
    yield made
    made.state.parts.sniffer.close()
    made.state.parts.store.close()


@pytest.fixture
def client(app):
    return TestClient(app, base_url="http://127.0.0.1:8383", client=("127.0.0.1", 5000))


@pytest.fixture(scope="session")
def postgres(tmp_path_factory):
    """Address of a PostgreSQL server of our own, on a socket in a temporary folder."""
    if not (shutil.which("initdb") and shutil.which("pg_ctl")):
        pytest.skip("needs PostgreSQL's initdb and pg_ctl")
    folder = Path(tmp_path_factory.mktemp("pg"))
    for parent in (folder, *folder.parents[:2]):
        parent.chmod(0o755)
    user = NOBODY if shutil.os.geteuid() == 0 else None
    if user:
        shutil.chown(folder, user)

    def run(*command, check=True):
        subprocess.run(
            command, check=check, user=user, cwd=folder, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        )

    data = folder / "data"
    run("initdb", "-D", str(data), "-U", "lipwright", "--auth=trust", "--no-sync")
    options = f"-c listen_addresses= -c unix_socket_directories={folder} -c fsync=off"
    run("pg_ctl", "-D", str(data), "-w", "-o", options, "start")
    yield f"postgresql+psycopg://lipwright@/postgres?host={folder}"
    run("pg_ctl", "-D", str(data), "-m", "immediate", "stop", check=False)  # its folder may be cleaned away


@pytest.fixture
def queue(settings):
    """The jobs of the service with those settings."""
    made = JobStore(settings.database)
    yield made
    made.close()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request, tmp_path):
    """An empty job store, on each kind of database."""
    if request.param == "sqlite":
        made = JobStore(f"sqlite:///{tmp_path / 'jobs.db'}")
    else:
        made = JobStore(request.getfixturevalue("postgres"))
        from lipwright.service.jobs.tables import metadata

        with made.database.write() as connection:
            for table in metadata.sorted_tables:
                connection.execute(table.delete())
    yield made
    made.close()


@pytest.fixture
def inputs(settings):
    """Paths in the data folder of the bundled portrait and speech."""
    for source, name in ((portrait, "portrait.jpg"), (speech, "speech.flac")):
        shutil.copyfile(source, settings.data_dir / "uploads" / name)
    return {"video": "uploads/portrait.jpg", "audio": "uploads/speech.flac"}
