"""Writes what Python frameworks answer when a program of theirs crashes: each is asked in its own process, without a socket.

The second word of a file's name is the status with which the page came.
"""

import asyncio
import logging
import sys
from pathlib import Path

place = Path(sys.argv[1])
urlpatterns = []  # of Django's application
logging.disable(logging.CRITICAL)


def put(name, status, body):
    if isinstance(body, str):
        body = body.encode()
    (place / f"{name}.{status}.html").write_bytes(body)


def crash(*_):
    raise RuntimeError("the shop is out of tea")


def wsgi(app, path="/"):
    """Asks a WSGI application."""
    from webob import Request

    answer = Request.blank(path).get_response(app)
    return answer.status_int, answer.body


def flask():
    from flask import Flask
    from werkzeug.debug import DebuggedApplication

    app = Flask("shop")
    app.add_url_rule("/", view_func=lambda: crash())
    put("flask", *wsgi(app.wsgi_app))
    app.config["PROPAGATE_EXCEPTIONS"] = True
    put("werkzeug-debugger", *wsgi(DebuggedApplication(app.wsgi_app)))


def django():
    from django.conf import settings
    from django.core.exceptions import ImproperlyConfigured
    from django.db import OperationalError
    from django.test import RequestFactory
    from django.views import debug, defaults

    settings.configure(DEBUG=True, ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x")
    import django as package

    package.setup()
    request = RequestFactory().get("/tea")
    put("django", 500, defaults.server_error(request).content)
    put("django-bad-request", 400, defaults.bad_request(request, None).content)
    for error in (RuntimeError("x"), OperationalError("could not connect to server"), ImproperlyConfigured("x"), KeyError("tea")):
        try:
            raise error
        except Exception:
            answer = debug.technical_500_response(request, *sys.exc_info())
            put(f"django-debug-{type(error).__name__.lower()}", 500, answer.content)


def bottle():
    from bottle import Bottle

    app = Bottle()
    app.route("/", callback=crash)
    stream = sys.stderr
    sys.stderr = open("/dev/null", "w")
    put("bottle", *wsgi(app))
    sys.stderr = stream


def pyramid():
    from pyramid.httpexceptions import HTTPBadGateway, HTTPInternalServerError, HTTPServiceUnavailable
    from webob import Request

    for error in (HTTPInternalServerError(), HTTPServiceUnavailable(), HTTPBadGateway()):
        request = Request.blank("/", accept="text/html")
        answer = request.get_response(error)
        put(f"pyramid-{answer.status_int}", answer.status_int, answer.body)


def webob():
    from webob import Request, exc

    for error in (exc.HTTPInternalServerError(), exc.HTTPGatewayTimeout()):
        answer = Request.blank("/", accept="text/html").get_response(error)
        put(f"webob-{answer.status_int}", answer.status_int, answer.body)


def cherrypy():
    from cherrypy import _cperror

    put("cherrypy", 500, _cperror.get_error_page(500, traceback="", version="18"))
    put("cherrypy-unavailable", 503, _cperror.get_error_page(503, traceback="", version="18"))


def tornado():
    from tornado import testing, web

    class Shop(web.RequestHandler):
        def get(self):
            crash()

    class Case(testing.AsyncHTTPTestCase):
        def get_app(self):
            return web.Application([("/", Shop)], debug=False)

        def runTest(self):
            answer = self.fetch("/")
            put("tornado", answer.code, answer.body)

    case = Case()
    case.setUp()
    case.runTest()
    case.tearDown()


def starlette():
    from starlette.applications import Starlette
    from starlette.routing import Route
    from starlette.testclient import TestClient

    for debug in (False, True):
        app = Starlette(debug=debug, routes=[Route("/", crash)])
        client = TestClient(app, raise_server_exceptions=False)
        answer = client.get("/", headers={"accept": "text/html"})
        put(f"starlette-{'debug' if debug else 'plain'}", answer.status_code, answer.content)


def quart():
    from quart import Quart

    app = Quart("shop")

    @app.route("/")
    async def shop():
        crash()

    async def ask():
        answer = await app.test_client().get("/")
        put("quart", answer.status_code, await answer.get_data())

    asyncio.run(ask())


def aiohttp():
    from aiohttp import web
    from aiohttp.test_utils import TestClient, TestServer

    async def shop(_):
        crash()

    async def ask():
        for debug in (False, True):
            app = web.Application()
            app.router.add_get("/", shop)
            server = TestServer(app, host="127.0.0.1")
            async with TestClient(server) as client:
                server.runner.server.debug = debug
                answer = await client.get("/", headers={"accept": "text/html"})
                put(f"aiohttp-{'debug' if debug else 'plain'}", answer.status, await answer.read())

    asyncio.run(ask())


for framework in (flask, django, bottle, pyramid, webob, cherrypy, tornado, starlette, quart, aiohttp):
    try:
        framework()
    except Exception as error:  # one that has changed its ways leaves the others their turn
        print(f"{framework.__name__} gave no page: {error!r}", file=sys.stderr)
