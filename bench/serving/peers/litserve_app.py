"""LitServe: litserve_app.py PORT."""
import sys

import litserve
from session import Session


class Predictor(litserve.LitAPI):
    def setup(self, device):
        self.session = Session()

    def decode_request(self, request):
        return request["instances"]

    def predict(self, instances):
        return self.session.predict(instances)

    def encode_response(self, output):
        return output


if __name__ == "__main__":
    server = litserve.LitServer(Predictor(), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(sys.argv[1]), num_api_servers=1, generate_client_file=False, log_level="warning")
