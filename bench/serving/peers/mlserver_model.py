"""A custom MLServer runtime: "implementation": "mlserver_model.Predictor"."""
from mlserver import MLModel
from mlserver.codecs import NumpyCodec
from mlserver.types import InferenceResponse
from session import Session


class Predictor(MLModel):
    async def load(self):
        self.session = Session()
        return True

    async def predict(self, payload):
        outputs = self.session.run(NumpyCodec.decode_input(payload.inputs[0]))
        encoded = [NumpyCodec.encode_output(name, value) for name, value in outputs.items()]
        return InferenceResponse(model_name=self.name, outputs=encoded)
