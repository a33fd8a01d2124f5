"""An OpenID provider made of Authlib and Flask, on a free port of 127.0.0.1: metadata, keys, and RFC 9068 access tokens by the
password grant. Prints `listening on PORT` once it does. POST /rotate makes a new signing key; the old one is withdrawn."""

import logging
import socket

from authlib.integrations.flask_oauth2 import AuthorizationServer
from authlib.oauth2.rfc6749.grants import ResourceOwnerPasswordCredentialsGrant
from authlib.oauth2.rfc6749.models import ClientMixin
from authlib.oauth2.rfc9068 import JWTBearerTokenGenerator
from flask import Flask, jsonify
from joserfc.jwk import RSAKey
from werkzeug.serving import make_server

AUDIENCE = "https://chat.example.com/api"
PEOPLE = {"ada": "ada@example.com", "nobody": "nobody@example.com"}

logging.getLogger("werkzeug").setLevel(logging.ERROR)
app = Flask(__name__)
listener = socket.socket()
listener.bind(("127.0.0.1", 0))
port = listener.getsockname()[1]
issuer = f"http://127.0.0.1:{port}"


class Person:
    def __init__(self, name):
        self.name = name

    def get_user_id(self):
        return self.name


class Client(ClientMixin):
    def get_client_id(self):
        return "tests"

    def get_default_redirect_uri(self):
        return None

    def get_allowed_scope(self, scope):
        return scope

    def check_redirect_uri(self, redirect_uri):
        return False

    def check_client_secret(self, client_secret):
        return client_secret == "secret"

    def check_endpoint_auth_method(self, method, endpoint):
        return True

    def check_response_type(self, response_type):
        return False

    def check_grant_type(self, grant_type):
        return grant_type == "password"


class Keys:
    serial = 0

    def rotate(self):
        self.serial += 1
        self.key = RSAKey.generate_key(2048, {"kid": f"authlib-{self.serial}", "use": "sig"}, private=True)


keys = Keys()
keys.rotate()


class AccessTokens(JWTBearerTokenGenerator):
    def get_jwks(self):
        return {"keys": [keys.key.as_dict(private=True)]}

    def get_audiences(self, client, user, scope):
        return [AUDIENCE]

    def get_extra_claims(self, client, grant_type, user, scope):
        return {"email": PEOPLE[user.name], "email_verified": True}


class PasswordGrant(ResourceOwnerPasswordCredentialsGrant):
    TOKEN_ENDPOINT_AUTH_METHODS = ["client_secret_basic", "client_secret_post"]

    def authenticate_user(self, username, password):
        return Person(username) if username in PEOPLE and password == "password" else None


server = AuthorizationServer(app, query_client=lambda client_id: Client(), save_token=lambda token, request: None)
server.register_grant(PasswordGrant)
server.register_token_generator("default", AccessTokens(issuer=issuer))


@app.get("/.well-known/openid-configuration")
def metadata():
    return jsonify(issuer=issuer, jwks_uri=f"{issuer}/jwks", token_endpoint=f"{issuer}/token")


@app.get("/jwks")
def jwks():
    return jsonify(keys=[keys.key.as_dict(private=False)])


@app.post("/token")
def token():
    return server.create_token_response()


@app.post("/rotate")
def rotate():
    keys.rotate()
    return jsonify(kid=keys.key.kid)


listener.listen()
http = make_server("127.0.0.1", port, app, fd=listener.fileno())
print(f"listening on {port}", flush=True)
http.serve_forever()
