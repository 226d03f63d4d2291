"""The API's description and the page to try it."""

import urllib.request

from conftest import write_model
from local_server import get_json


def test_the_document_describes_what_is_served(serve, tmp_path):
    write_model(tmp_path / "adder", 1, add=1)
    server = serve("--model_name=adder", f"--model_base_path={tmp_path / 'adder'}")
    root = server.models_url.removesuffix("/v1/models")
    document = get_json(f"{root}/openapi.json")
    assert document["openapi"].startswith("3.0")
    example = document["paths"]["/v1/models/adder:predict"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert get_json(f"{server.models_url}/adder:predict", example) == {"predictions": [1.0]}
    example = document["paths"]["/v2/models/adder/infer"]["post"]["requestBody"]["content"]["application/json"]["example"]
    assert get_json(f"{root}/v2/models/adder/infer", example)["outputs"][0]["data"] == [1.0]
    with urllib.request.urlopen(f"{root}/docs", timeout=20) as page:
        assert "swagger-ui-bundle.js" in page.read().decode()
    with urllib.request.urlopen(f"{root}/docs/swagger-ui-bundle.js", timeout=20) as script:
        assert script.headers["Content-Encoding"] == "gzip" and len(script.read()) > 100_000
