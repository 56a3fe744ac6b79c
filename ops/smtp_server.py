"""A mail server for tests: it keeps each mail as a file, and misbehaves towards those whose address asks
for it. Started by ops/smtp.

    smtp_server.py FILE FOLDER     listens on a free port of this machine and writes its address to FILE;
                                   mail goes to FOLDER/<recipient>/<number>.eml

    refuse-for-good…@    550 at each try
    refuse-for-now…@     451 at each try
    refuse-once…@        451 at the first try
    hang-up-once…@       the connection breaks in the middle of the first mail
    hang-up-always…@     the connection breaks in the middle of each mail
"""

import asyncio
import os
import socket
import sys
from collections import Counter

from aiosmtpd.smtp import SMTP

tries = Counter()


def is_first(address):
    tries[address] += 1
    return tries[address] == 1


class Keeper:
    """Keeps mail in files."""

    def __init__(self, folder):
        self.folder = folder

    async def handle_RCPT(self, server, session, envelope, address, options):
        if address.startswith('refuse-for-good'):
            return f'550 5.1.1 <{address}>: there is nobody here'
        if address.startswith('refuse-for-now') or (
                address.startswith('refuse-once') and is_first(address)):
            return f'451 4.7.1 <{address}>: come back later'
        envelope.rcpt_tos.append(address)
        return '250 OK'

    async def handle_DATA(self, server, session, envelope):
        for address in envelope.rcpt_tos:
            folder = os.path.join(self.folder, address)
            os.makedirs(folder, exist_ok=True)
            number = sum(name.endswith('.eml') for name in os.listdir(folder)) + 1
            name = os.path.join(folder, f'{number:04}.eml')
            # Whole or not at all: somebody waits for it.
            with open(name + '.new', 'wb') as file:
                file.write(envelope.original_content)
            os.rename(name + '.new', name)
        return '250 OK'


class Server(SMTP):
    async def smtp_DATA(self, arg):
        addresses = self.envelope.rcpt_tos if self.envelope else []
        if any(a.startswith('hang-up-always') or
               a.startswith('hang-up-once') and is_first(a) for a in addresses):
            await self.push('354 go on')
            await self._reader.readline()
            self.transport.abort()
            return
        await super().smtp_DATA(arg)


async def main(file, folder):
    os.makedirs(folder, exist_ok=True)
    keeper = Keeper(folder)
    listener = socket.create_server(('127.0.0.1', 0))
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: Server(keeper, hostname='mail.test'), sock=listener)
    with open(file + '.new', 'w') as f:
        f.write('smtp://127.0.0.1:%d' % listener.getsockname()[1])
    os.rename(file + '.new', file)
    await server.serve_forever()


if __name__ == '__main__':
    asyncio.run(main(*sys.argv[1:]))
