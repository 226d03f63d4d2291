"""FastAPI with a typed body, as its tutorial shows: uvicorn fastapi_app:app."""
import os

from fastapi import FastAPI
from pydantic import BaseModel
from session import Session

Image = list[list[list[float]]]


class Request(BaseModel):
    instances: list[Image] if os.environ["MODEL_NAME"] == "image" else list[list[float]]


app = FastAPI()
session = Session()


@app.post("/predict")
async def predict(request: Request):
    return session.predict(request.instances)
