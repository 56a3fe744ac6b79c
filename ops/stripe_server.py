"""localstripe, with two things that Stripe does, our tests need and localstripe has not: the card
that is named at a confirmation, and idempotency keys. Started by ops/localstripe.

    stripe_server.py FILE     listens on a free port of this machine and writes its address to FILE
"""

import logging
import os
import socket
import sys

from aiohttp import web
from localstripe import resources

# It would write all it knows to one file in /tmp after each change.
resources.Store.dump_to_disk = lambda self: None

CONFIRM = '/v1/payment_intents/{id}/confirm'
stock_confirm = resources.PaymentIntent._api_confirm


def confirm(id, payment_method=None, **rest):
    """Confirms with this card, which localstripe takes only at the intent's creation."""
    if payment_method is not None:
        intent = resources.PaymentIntent._api_retrieve(id)
        resources.PaymentMethod._api_retrieve(payment_method)
        if intent.status not in ('requires_payment_method', 'requires_confirmation'):
            raise resources.UserError(400, 'Bad request', {'code': 'payment_intent_unexpected_state'})
        intent.payment_method = payment_method
        intent.latest_charge = None
    return stock_confirm(id=id, **rest)


# Routes are made of these when the server's module is loaded.
resources.extra_apis[:] = [
    (method, path, confirm if path == CONFIRM else function)
    for method, path, function in resources.extra_apis
]

from localstripe import server  # noqa: E402

answers = {}


def refusal(status, kind, code=None):
    error = {'type': kind, 'code': code, 'message': 'an idempotency key is used twice'}
    return web.json_response({'error': error}, status=status)


@web.middleware
async def once_a_key(request, handler):
    """The first answer to a key is the answer to each repeat, errors too."""
    key = request.headers.get('Idempotency-Key')
    if request.method != 'POST' or key is None:
        return await handler(request)
    wish = (request.path, await request.read())
    if key in answers:
        first, answer = answers[key]
        if first != wish:
            return refusal(400, 'idempotency_error')
        if answer is None:
            return refusal(409, 'idempotency_error', 'idempotency_key_in_use')
        status, body = answer
        replayed = {'Idempotent-Replayed': 'true'}
        return web.Response(status=status, body=body, headers=replayed,
                            content_type='application/json')
    answers[key] = (wish, None)
    try:
        response = await handler(request)
    except BaseException:
        del answers[key]
        raise
    answers[key] = (wish, (response.status, response.body))
    return response


def main(file):
    server.app.middlewares.insert(0, once_a_key)
    listener = socket.create_server(('127.0.0.1', 0))
    address = 'http://127.0.0.1:%d' % listener.getsockname()[1]
    # Whole or not at all: somebody waits for it.
    with open(file + '.new', 'w') as f:
        f.write(address)
    os.rename(file + '.new', file)
    logging.basicConfig(level=logging.WARNING)
    web.run_app(server.app, sock=listener, access_log=None, print=None)


if __name__ == '__main__':
    main(sys.argv[1])
