"""Files that another tool signed (plain C2PA), and the certificates it did so with."""

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import BinaryIO

from c2pa import Builder, C2paSignerInfo, Signer
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

NAME, SIGNER = "Otherwise", "Other Signer"
PARENT = "parent"  # what actions call the file that another was made from
SOURCE_TYPE = "http://cv.iptc.org/newscodes/digitalsourcetype/trainedAlgorithmicMedia"


class OtherTool:
    """Signs files. Each has an authority of its own.

    Attributes:
        anchors: PEM file of the authority's certificate, for those who trust it.
    """

    def __init__(self, folder: Path) -> None:
        top, own = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP256R1())
        root = _certificate("Other Authority", top, "Other Authority", top)
        leaf = _certificate(SIGNER, own, "Other Authority", top)
        self.chain = leaf.public_bytes(Encoding.PEM) + root.public_bytes(Encoding.PEM)
        self.key = own.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
        self.anchors = folder / "anchors.pem"
        self.anchors.write_bytes(root.public_bytes(Encoding.PEM))

    def sign(self, source: Path, target: Path) -> Path:
        """Copy a file, with a statement in it that the tool made all of it."""
        return self.sign_as(_made_by_it(), source, target)

    def sign_as(self, manifest: dict, source: Path, target: Path, parent: BinaryIO | None = None) -> Path:
        """Copy a file, with this statement in it, and a file that it was made from."""
        info = C2paSignerInfo(b"es256", self.chain, self.key, None)
        with Signer.from_info(info) as signer, Builder(manifest) as builder:
            if parent is not None:
                about = {"title": "opened", "label": PARENT, "relationship": "parentOf"}
                builder.add_ingredient(about, "video/mp4", parent)
            builder.sign_file(source, target, signer)
        return target

    def sign_elsewhere(self, source: Path, target: Path, address: str) -> Path:
        """Copy a file, with no more than the address of its statement in it."""
        info = C2paSignerInfo(b"es256", self.chain, self.key, None)
        with Signer.from_info(info) as signer, Builder(_made_by_it()) as builder:
            builder.set_no_embed()
            builder.set_remote_url(address)
            builder.sign_file(source, target, signer)
        return target


def _made_by_it() -> dict:
    made = {"action": "c2pa.created", "digitalSourceType": SOURCE_TYPE, "softwareAgent": {"name": NAME}}
    return {
        "claim_generator_info": [{"name": NAME, "version": "3.1"}],
        "title": "something",
        "assertions": [{"label": "c2pa.actions.v2", "data": {"actions": [made]}}],
    }


def _certificate(name: str, key: ec.EllipticCurvePrivateKey, issuer: str, by: ec.EllipticCurvePrivateKey):
    now, top = datetime.now(UTC), name == issuer
    uses = dict.fromkeys(
        ("content_commitment", "key_encipherment", "data_encipherment", "key_agreement", "encipher_only"), False
    )
    made = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(issuer))
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=30))
        .add_extension(x509.BasicConstraints(ca=top, path_length=None), critical=True)
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


def _named(name: str) -> x509.Name:
    return x509.Name(
        [x509.NameAttribute(NameOID.ORGANIZATION_NAME, name), x509.NameAttribute(NameOID.COMMON_NAME, name)]
    )
