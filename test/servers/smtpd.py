"""A mail server for tests, on loopback: prints its port, then each message as one line of JSON.

    smtpd.py [--tls CERT KEY] [--login USER PASSWORD]
"""

import argparse
import asyncio
import email
import email.policy
import json
import ssl

from aiosmtpd.smtp import SMTP, AuthResult


class Printer:
    async def handle_DATA(self, server, session, envelope):
        message = email.message_from_bytes(envelope.content, policy=email.policy.default)
        print(json.dumps({
            "from": envelope.mail_from,
            "to": envelope.rcpt_tos,
            "subject": message["subject"],
            "type": message.get_content_type(),
            "body": message.get_content(),
            "tls": session.ssl is not None,
            "login": session.auth_data,
        }), flush=True)
        return "250 taken"


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--tls", nargs=2)
    p.add_argument("--login", nargs=2)
    a = p.parse_args()
    context = None
    if a.tls:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(*a.tls)

    def check(server, session, envelope, mechanism, data):
        good = [data.login.decode(), data.password.decode()] == a.login
        return AuthResult(success=good, handled=False, auth_data=mechanism if good else None)

    def factory():
        login = {"authenticator": check, "auth_required": True, "auth_require_tls": False} if a.login else {}
        tls = {"tls_context": context} if context else {}
        return SMTP(Printer(), hostname="mail.test", **login, **tls)

    async def serve():
        server = await asyncio.get_running_loop().create_server(factory, "127.0.0.1", 0)
        print(server.sockets[0].getsockname()[1], flush=True)
        await server.serve_forever()

    asyncio.run(serve())


main()
