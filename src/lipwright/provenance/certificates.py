"""Who signs: the user's own certificate, or one that is made once on this computer and proves no identity.

What is made here lies in one file in the user's configuration folder, readable by its owner only. It names neither
person nor computer. The authority that issued it keeps no key, so that it can never issue another.
"""

import os
import shutil
import tempfile
from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from platformdirs import user_config_path

from lipwright.errors import OptionError, OutputError

if TYPE_CHECKING:
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric.types import (
        CertificateIssuerPrivateKeyTypes,
        CertificateIssuerPublicKeyTypes,
        PrivateKeyTypes,
    )

FOLDER_VARIABLE = "LIPWRIGHT_SIGNING"  # not LIPWRIGHT_CONFIG, which names the service's file of settings
SELF_MADE = "Lipwright (self-made certificate, identity not checked)"
YEARS = 30
_EARLIER = timedelta(days=2)  # so that a computer whose clock is behind takes it
_CURVES = {"secp256r1": "es256", "secp384r1": "es384", "secp521r1": "es512"}
_LEAST_RSA_BITS = 2048


@dataclass(frozen=True, slots=True, kw_only=True)
class Signer:
    """A certificate and its key, ready to sign.

    Args:
        chain: the certificate and those that vouch for it, PEM.
        key: its private key, PEM, not encrypted.
        algorithm: COSE's name of the signature, in lower case.
        by: whom the certificate names.
        self_made: whether it was made here and proves no identity.
    """

    chain: bytes
    key: bytes
    algorithm: str
    by: str
    self_made: bool

    def __repr__(self) -> str:
        return f"Signer(by={self.by!r}, algorithm={self.algorithm!r})"  # the key stays out of logs


def open_signer(certificate: Path | None = None, private_key: Path | None = None) -> Signer:
    """The user's certificate and key, or without them the one of this computer, made when it is first needed.

    Raises:
        OptionError: a file cannot be read, is no certificate or key, has expired, or the two do not belong together.
        OutputError: the certificate of this computer cannot be kept.
    """
    if certificate is None or private_key is None:
        return _own(own_certificate())
    chain, key = _read(certificate, "certificate"), _read(private_key, "private-key")
    return _checked(chain, key, (str(certificate), str(private_key)))


def unkept_signer() -> Signer:
    """One like this computer's that is forgotten at once."""
    pem = _made()
    return _checked(pem, pem, ("", ""), self_made=True)


def own_certificate() -> Path:
    """Where the certificate of this computer lies, with its key; it may not be there yet."""
    return signing_folder() / "own" / "signing.pem"


def has_own_certificate() -> bool:
    """Whether it is there, as far as this user may look."""
    return os.path.isfile(own_certificate())  # noqa: PTH113 - Path.is_file raises where a folder may not be looked into


def signing_folder() -> Path:
    """Where this computer's certificate lies: LIPWRIGHT_SIGNING, else the user's folder for settings."""
    chosen = os.environ.get(FOLDER_VARIABLE)
    return Path(chosen) if chosen else user_config_path("lipwright", appauthor=False)


def _read(path: Path, option: str) -> bytes:
    try:
        return path.read_bytes()
    except OSError as exc:
        raise OptionError(f"--{option} {path} cannot be read: {exc.strerror}; name a PEM file") from exc


def _checked(chain: bytes, key: bytes, names: tuple[str, str], *, self_made: bool = False) -> Signer:
    """A signer made of PEM text; `names` tell the user which file is meant."""
    from cryptography import x509
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    try:
        certificates = x509.load_pem_x509_certificates(chain)
    except ValueError as exc:
        raise OptionError(f"{names[0]} holds no PEM certificate; give the certificate chain as PEM") from exc
    private = _private_key(key, names[1])
    first = certificates[0]
    if private.public_key() != first.public_key():
        raise OptionError(
            f"the key in {names[1]} does not belong to the first certificate in {names[0]}; "
            "give the key it was issued for, and put that certificate before those that vouch for it"
        )
    _check_dates(certificates, names[0])
    return Signer(
        chain=b"".join(each.public_bytes(Encoding.PEM) for each in certificates),
        key=private.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()),
        algorithm=_algorithm(private.public_key(), names[1]),
        by=SELF_MADE if self_made else _subject(first),
        self_made=self_made,
    )


def _private_key(pem: bytes, name: str) -> "PrivateKeyTypes":
    from cryptography.exceptions import UnsupportedAlgorithm
    from cryptography.hazmat.primitives.serialization import load_pem_private_key

    try:
        return load_pem_private_key(pem, password=None)
    except TypeError as exc:
        raise OptionError(
            f"the key in {name} is encrypted; give one without a passphrase, in a file that only you can read"
        ) from exc
    except (ValueError, UnsupportedAlgorithm) as exc:
        raise OptionError(f"{name} holds no PEM private key; give the certificate's key as PEM") from exc


def _check_dates(certificates: "list[x509.Certificate]", name: str) -> None:
    now = datetime.now(UTC)
    for each in certificates:
        if now > each.not_valid_after_utc:
            day = f"{each.not_valid_after_utc:%Y-%m-%d}"
            raise OptionError(f"the certificate of {_subject(each)} in {name} expired on {day}; give one that is valid")
        if now < each.not_valid_before_utc:
            day = f"{each.not_valid_before_utc:%Y-%m-%d}"
            raise OptionError(
                f"the certificate of {_subject(each)} in {name} is valid from {day} on; give one that is valid now"
            )


def _algorithm(key: "CertificateIssuerPublicKeyTypes | object", name: str) -> str:
    from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa

    if isinstance(key, ec.EllipticCurvePublicKey) and key.curve.name in _CURVES:
        return _CURVES[key.curve.name]
    if isinstance(key, rsa.RSAPublicKey) and key.key_size >= _LEAST_RSA_BITS:
        return "ps256"
    if isinstance(key, ed25519.Ed25519PublicKey):
        return "ed25519"
    raise OptionError(
        f"the key in {name} is of a kind that a statement cannot be signed with; use an elliptic curve key (P-256, "
        f"P-384, P-521), Ed25519, or RSA of at least {_LEAST_RSA_BITS} bits"
    )


def _subject(certificate: "x509.Certificate") -> str:
    """Whom it names: organisation or person."""
    from cryptography.x509.oid import NameOID

    for wanted in (NameOID.COMMON_NAME, NameOID.ORGANIZATION_NAME):
        if named := certificate.subject.get_attributes_for_oid(wanted):
            return str(named[0].value)
    return "nobody named"


def _own(path: Path) -> Signer:
    """The certificate of this computer; of two processes that make it at once both take the same."""
    try:
        if not path.exists():
            _keep(_made(), path)
        pem = path.read_bytes()
    except OSError as exc:
        raise OutputError(
            f"the signing certificate {path} cannot be kept: {exc.strerror}; name another folder in {FOLDER_VARIABLE}, "
            "or give a certificate of your own"
        ) from exc
    try:
        return _checked(pem, pem, (str(path), str(path)), self_made=True)
    except OptionError as exc:
        raise OptionError(f"{exc}; delete {path} and a new one is made") from exc


def _keep(pem: bytes, path: Path) -> None:
    """Give a whole folder its name, unless there is one by then: of files, the last would win."""
    folder = path.parent
    folder.parent.mkdir(parents=True, exist_ok=True)
    part = Path(tempfile.mkdtemp(dir=folder.parent, prefix=f".{folder.name}-"))  # open to its owner only
    try:
        handle = os.open(part / path.name, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(handle, "wb") as file:
            file.write(pem)
        with suppress(OSError):  # another process was faster, or only the file was deleted
            part.rename(folder)
        if not path.exists():
            (part / path.name).replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _made() -> bytes:
    """Key, certificate and the certificate of the authority that issued it and lost its own key, PEM."""
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

    authority, own = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))
    root = _issued("Lipwright local authority", authority, issuer=None, by=authority)
    leaf = _issued("Lipwright", own, issuer=root, by=authority)
    key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return key + leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)


def _issued(
    name: str,
    key: "CertificateIssuerPrivateKeyTypes",
    *,
    issuer: "x509.Certificate | None",
    by: "CertificateIssuerPrivateKeyTypes",
) -> "x509.Certificate":
    """A certificate for a key; one without an issuer is an authority's and vouches for itself."""
    from cryptography import x509
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, SELF_MADE), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    begin, top = datetime.now(UTC) - _EARLIER, issuer is None
    uses = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if issuer is None else issuer.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(begin)
        .not_valid_after(begin + timedelta(days=365 * YEARS))
        .add_extension(x509.BasicConstraints(ca=top, path_length=0 if top else None), critical=True)
        .add_extension(
            x509.KeyUsage(digital_signature=not top, key_cert_sign=top, crl_sign=top, decipher_only=False, **uses),
            critical=True,
        )
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if not top:
        made = made.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.EMAIL_PROTECTION]), critical=False)
    return made.sign(by, SHA256())
