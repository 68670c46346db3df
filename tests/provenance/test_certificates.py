"""Who signs: a certificate of one's own, or this computer's."""

import os
import stat
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509.oid import ExtendedKeyUsageOID
from signers import issue

from lipwright import OptionError, OutputError
from lipwright.provenance import certificates
from lipwright.provenance.certificates import SELF_MADE, open_signer
from lipwright.provenance.statement import check_signer


def files(folder):
    return [path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()]


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A folder of one's own that does not exist yet."""
    folder = tmp_path / "deep" / "signing"
    monkeypatch.setenv("LIPWRIGHT_SIGNING", str(folder))
    return folder


def test_this_computers_certificate_is_made_once(own):
    first, second = open_signer(), open_signer()
    assert first == second
    assert (first.self_made, first.by, first.algorithm) == (True, SELF_MADE, "es256")
    assert files(own) == ["own/signing.pem"]
    assert first.key not in repr(first).encode()
    check_signer(first)


@pytest.mark.skipif(os.name == "nt", reason="Windows has other permissions")
def test_only_its_owner_may_read_the_key(own):
    open_signer()
    assert stat.S_IMODE((own / "own" / "signing.pem").stat().st_mode) == 0o600


def test_it_names_nobody_and_outlives_the_decade(own):
    leaf, root = x509.load_pem_x509_certificates(open_signer().chain)
    for each in (leaf, root):
        names = {attribute.value for attribute in (*each.subject, *each.issuer)}
        assert names == {SELF_MADE, "Lipwright local authority"} | ({"Lipwright"} if each is leaf else set())
        assert each.not_valid_after_utc > datetime.now(UTC) + timedelta(days=365 * 25)
        assert not any(each.extensions.get_extension_for_class(x509.BasicConstraints).value.ca for each in (leaf,))
    assert b"BEGIN PRIVATE KEY" in (own / "own" / "signing.pem").read_bytes()
    assert (own / "own" / "signing.pem").read_bytes().count(b"PRIVATE KEY") == 2  # one key: the authority's is gone


def test_two_that_make_it_at_once_agree(own, monkeypatch):
    made = certificates._made
    both = ThreadPoolExecutor(8)
    monkeypatch.setattr(certificates, "_made", lambda: (made(), made())[1])  # slower, so that they meet
    signers = list(both.map(lambda _: open_signer(), range(8)))
    assert len({signer.key for signer in signers}) == 1
    assert files(own) == ["own/signing.pem"]


def test_two_processes_that_make_it_at_once_agree(own):
    told = "from lipwright.provenance.certificates import open_signer; print(open_signer().chain.decode())"
    running = [subprocess.Popen([sys.executable, "-c", told], stdout=subprocess.PIPE) for _ in range(2)]
    assert len({process.communicate(timeout=60)[0] for process in running}) == 1
    assert [process.returncode for process in running] == [0, 0]


def test_a_folder_that_cannot_be_written_is_told(tmp_path, monkeypatch):
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("LIPWRIGHT_SIGNING", str(tmp_path / "file" / "below"))
    with pytest.raises(OutputError, match=r"cannot be kept: .+ name another folder in LIPWRIGHT_SIGNING"):
        open_signer()


def test_where_only_its_file_was_deleted_a_new_one_is_made(own):
    first = open_signer()
    certificates.own_certificate().unlink()
    (certificates.own_certificate().parent / ".DS_Store").touch()  # the folder is not empty, so it stays
    assert open_signer().key != first.key
    assert files(own) == ["own/.DS_Store", "own/signing.pem"]
    assert open_signer().key == open_signer().key


def test_a_damaged_one_is_told(own):
    open_signer()
    (own / "own" / "signing.pem").write_bytes(b"-----BEGIN CERTIFICATE-----\nnonsense")
    with pytest.raises(OptionError, match=r"holds no PEM certificate.*; delete .*signing\.pem and a new one is made"):
        open_signer()


@pytest.mark.parametrize(
    ("make", "algorithm"),
    [
        (lambda: ec.generate_private_key(ec.SECP256R1()), "es256"),
        (lambda: ec.generate_private_key(ec.SECP384R1()), "es384"),
        (lambda: ec.generate_private_key(ec.SECP521R1()), "es512"),
        (lambda: ed25519.Ed25519PrivateKey.generate(), "ed25519"),
        (lambda: rsa.generate_private_key(65537, 2048), "ps256"),
    ],
)
def test_keys_of_all_kinds_sign(make, algorithm, tmp_path):
    pair = issue(tmp_path, key=make())
    signer = open_signer(pair.certificate, pair.key)
    assert (signer.by, signer.algorithm, signer.self_made) == ("Ada Lovelace", algorithm, False)
    check_signer(signer)


WRONG = {
    "expired": ({"days": (-20, -5)}, "the certificate of Ada Lovelace in .* expired on 2"),
    "not yet": ({"days": (5, 20)}, "is valid from 2.* on; give one that is valid now"),
    "encrypted": ({"passphrase": b"secret"}, "is encrypted; give one without a passphrase"),
    "curve": ({"key": ec.generate_private_key(ec.SECP256K1())}, "of a kind that a statement cannot be signed with"),
    "short": ({"key": rsa.generate_private_key(65537, 1024)}, "of a kind that a statement cannot be signed with"),  # noqa: S505
}


@pytest.mark.parametrize("what", WRONG)
def test_what_cannot_sign_is_refused_with_a_reason(what, tmp_path):
    made, told = WRONG[what]
    pair = issue(tmp_path, **made)
    with pytest.raises(OptionError, match=told) as caught:
        open_signer(pair.certificate, pair.key)
    assert "\n" not in str(caught.value)


def test_pairs_that_do_not_belong_together_and_files_that_are_none_are_refused(tmp_path):
    pair, other = issue(tmp_path / "a"), issue(tmp_path / "b")
    (tmp_path / "text").write_text("hello")
    for certificate, key, told in (
        (pair.certificate, other.key, "does not belong to the first certificate"),
        (pair.authority, pair.key, "does not belong to the first certificate"),
        (tmp_path / "text", pair.key, "holds no PEM certificate"),
        (pair.certificate, tmp_path / "text", "holds no PEM private key"),
        (pair.key, pair.certificate, "holds no PEM certificate"),
        (tmp_path / "none", pair.key, "--certificate .*none cannot be read"),
        (pair.certificate, tmp_path, "--private-key .* cannot be read"),
    ):
        with pytest.raises(OptionError, match=told):
            open_signer(certificate, key)


@pytest.mark.parametrize("purpose", [None, ExtendedKeyUsageOID.SERVER_AUTH])
def test_a_certificate_for_another_purpose_is_refused_before_anything_is_signed(purpose, tmp_path):
    pair = issue(tmp_path, purpose=purpose)
    with pytest.raises(OptionError, match="the certificate of Ada Lovelace cannot sign a statement of origin"):
        check_signer(open_signer(pair.certificate, pair.key))


def test_a_chain_may_be_short(tmp_path):
    pair = issue(tmp_path)
    leaf = pair.certificate.read_bytes().split(b"-----END CERTIFICATE-----\n")[0] + b"-----END CERTIFICATE-----\n"
    alone = tmp_path / "alone.pem"
    alone.write_bytes(leaf)
    check_signer(open_signer(alone, pair.key))  # whoever trusts the authority has its certificate
