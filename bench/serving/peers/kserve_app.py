"""KServe's Python model server: kserve_app.py --http_port H --grpc_port G."""
import os
import uuid

import kserve
from session import Session

DATATYPES = {"float32": "FP32", "int64": "INT64"}


class Predictor(kserve.Model):
    def __init__(self, name):
        super().__init__(name)
        self.session = Session()
        self.ready = True

    def predict(self, payload, headers=None, response_headers=None):
        if isinstance(payload, dict):
            return {"predictions": self.session.predict(payload["instances"])}
        binary = payload.from_grpc or bool((payload.parameters or {}).get("binary_data_output"))
        answer = kserve.InferResponse(payload.id or str(uuid.uuid4()), self.name, [])
        for name, value in self.session.run(payload.inputs[0].as_numpy()).items():
            tensor = kserve.InferOutput(name, list(value.shape), DATATYPES[str(value.dtype)])
            tensor.set_data_from_numpy(value, binary_data=binary)
            answer.outputs.append(tensor)
        return answer


if __name__ == "__main__":
    kserve.ModelServer(workers=1, enable_docs_url=False).start([Predictor(os.environ["MODEL_NAME"])])
