"""What web pages of other origins may ask of the model server."""

import hashlib
import http.client
import json

from conftest import predict, write_model
from local_server import get_json


def from_page(server, method, path, body=None, **headers):
    """The status and the headers of an answer to a page of another origin."""
    connection = http.client.HTTPConnection("127.0.0.1", server.rest, timeout=30)
    connection.request(method, path, body, {"Origin": "http://page.example"} | headers)
    response = connection.getresponse()
    response.read()
    connection.close()
    return response.status, response.headers


V2_BODY = json.dumps({"inputs": [{"name": "x", "shape": [1], "datatype": "FP32", "data": [1]}]})
READ = [
    ("POST", "/v1/models/m:predict", '{"instances": [1]}'),
    ("GET", "/v1/models/m", None),
    ("POST", "/v2/models/m/infer", V2_BODY),
    ("GET", "/v2/models/m", None),
    ("GET", "/v2/health/ready", None),
    ("POST", "/invocations", '{"instances": [1]}'),
    ("GET", "/openapi.json", None),
]
CHANGE = [
    ("POST", "/v2/repository/models/m/load"),
    ("POST", "/v2/logging"),
    ("PUT", "/admin/models/m/traffic"),
]


def test_pages_of_any_origin_may_ask_and_change_nothing(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    auth = tmp_path / "auth.json"
    everybody = {"name": "shop", "token_sha256": hashlib.sha256(b"s3cret").hexdigest(), "models": ["*"]}
    auth.write_text(json.dumps({"clients": [everybody | {"rights": ["predict", "admin"]}]}))
    server = serve("--model_name=m", f"--model_base_path={tmp_path / 'm'}", "--rest_api_enable_cors_support",
                   f"--auth_file={auth}")
    for method, path, body in READ:
        asked = {"Access-Control-Request-Method": method, "Access-Control-Request-Headers": "authorization,x-user"}
        status, headers = from_page(server, "OPTIONS", path, **asked)
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*"), path
        assert headers["Access-Control-Allow-Headers"] == "authorization,x-user"
        status, headers = from_page(server, method, path, body, Authorization="Bearer s3cret")
        assert (status, headers["Access-Control-Allow-Origin"]) == (200, "*"), path
        assert from_page(server, method, path, body)[1]["Access-Control-Allow-Origin"] == "*", "of an error too"
    for method, path in CHANGE:
        status, headers = from_page(server, "OPTIONS", path, **{"Access-Control-Request-Method": method})
        assert status >= 400 and "Access-Control-Allow-Origin" not in headers, path
        assert "Access-Control-Allow-Origin" not in from_page(server, method, path, "{}")[1]
    assert "Access-Control-Allow-Origin" not in from_page(server, "GET", "/monitoring/prometheus/metrics")[1]


def test_pages_may_ask_nothing_unless_allowed(serve, tmp_path):
    write_model(tmp_path / "m", 1, add=1)
    server = serve("--model_name=m", f"--model_base_path={tmp_path / 'm'}")
    for method, path, body in READ:
        assert "Access-Control-Allow-Origin" not in from_page(server, method, path, body)[1]
        assert from_page(server, "OPTIONS", path)[0] >= 400


def test_pages_of_other_sites_cannot_change_what_up_serves(up):
    write_model(up.data_dir / "models" / "m", 1, add=1)
    up.wait_for_version("m", 1)
    form = {"Content-Type": "text/plain"}
    for method, path in CHANGE:
        assert from_page(up, method, path.replace("/load", "/unload"), "{}", **form)[0] == 403, path
    assert from_page(up, "POST", "/v2/models/m/infer", V2_BODY, **form)[0] == 200
    assert from_page(up, "POST", "/v1/models/m:predict", '{"instances": [1]}', **form)[0] == 200
    assert from_page(up, "GET", "/v2/models/m", Host="page.example:8501")[0] == 403, "a name that leads to 127.0.0.1"
    own = f"http://127.0.0.1:{up.rest}"
    assert from_page(up, "POST", "/v2/repository/models/m/unload", "{}", Origin=own)[0] == 200
    assert get_json(f"{own}/v2/repository/index", {})[0]["state"] == "UNAVAILABLE"
