"""Certificates of an authority of the tests' own."""

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, ed25519
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

USES = ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only",
        "decipher_only")  # fmt: skip


@dataclass(frozen=True)
class Pair:
    """Files of a certificate chain, its key, and the authority alone."""

    certificate: Path
    key: Path
    authority: Path


def issue(folder, *, name="Ada Lovelace", key=None, days=(-1, 30), purpose=ExtendedKeyUsageOID.EMAIL_PROTECTION,
          passphrase=None, ocsp=None):  # fmt: skip
    """A certificate issued by a fresh authority; `days` from now are when it is valid, `ocsp` where one can ask."""
    folder.mkdir(parents=True, exist_ok=True)
    top, key = ec.generate_private_key(ec.SECP256R1()), key or ec.generate_private_key(ec.SECP256R1())
    root = _signed("Test authority", top, None, top, (-10, 300), None)
    leaf = _signed(name, key, root, top, days, purpose, ocsp)
    hidden = BestAvailableEncryption(passphrase) if passphrase else NoEncryption()
    files = {
        "certificate": leaf + root,
        "key": key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden),
        "authority": root,
    }
    for file, pem in files.items():
        (folder / f"{file}.pem").write_bytes(pem)
    return Pair(*(folder / f"{file}.pem" for file in files))


def _signed(name, key, issuer, by, days, purpose, ocsp=None):
    subject = x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, f"{name} Ltd"), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
    now, ca = datetime.now(UTC), issuer is None
    allowed = dict.fromkeys(USES, False) | {"digital_signature": not ca, "key_cert_sign": ca, "crl_sign": ca}
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject if ca else x509.load_pem_x509_certificate(issuer).subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now + timedelta(days=days[0]))
        .not_valid_after(now + timedelta(days=days[1]))
        .add_extension(x509.BasicConstraints(ca=ca, path_length=None), critical=True)
        .add_extension(x509.KeyUsage(**allowed), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(by.public_key()), critical=False)
    )
    if purpose is not None:
        made = made.add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
    if ocsp is not None:
        place = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(ocsp))
        made = made.add_extension(x509.AuthorityInformationAccess([place]), critical=False)
    signed = made.sign(by, None if isinstance(by, ed25519.Ed25519PrivateKey) else SHA256())
    return signed.public_bytes(Encoding.PEM)
