"""Makes the vectors beside this file with the Python package `cryptography`: throw-away keys, for tests only.

azure.json: an RSA key (PKCS #8) and what RSA-OAEP with SHA-256 makes of a data key under it.
google.json: the key of a service account, and a token that it signed (RS256).
"""
import base64, json
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import padding, rsa


def b64(data):
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def pem(key):
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()


def write(name, value):
    with open(name, "w") as file:
        json.dump(value, file, indent=1)
        file.write("\n")


azure = rsa.generate_private_key(65537, 2048)
secret = bytes(range(32))
oaep = padding.OAEP(padding.MGF1(hashes.SHA256()), hashes.SHA256(), None)
write("azure.json", {"key": pem(azure), "plaintext": secret.hex(), "enc": b64(azure.public_key().encrypt(secret, oaep))})

google = rsa.generate_private_key(65537, 2048)
head = b64(json.dumps({"alg": "RS256", "typ": "JWT"}).encode())
claims = b64(json.dumps({"iss": "sops@example.iam.gserviceaccount.com"}).encode())
signature = google.sign(f"{head}.{claims}".encode(), padding.PKCS1v15(), hashes.SHA256())
account = {
    "type": "service_account",
    "project_id": "example",
    "private_key_id": "k1",
    "private_key": pem(google),
    "client_email": "sops@example.iam.gserviceaccount.com",
    "client_id": "1",
    "token_uri": "https://oauth2.googleapis.com/token",
    "universe_domain": "googleapis.com",
}
write("google.json", {"account": account, "token": f"{head}.{claims}.{b64(signature)}"})
