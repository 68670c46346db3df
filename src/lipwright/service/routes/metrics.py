"""`GET /metrics`."""

from typing import Annotated

from fastapi import APIRouter, Header, Request, Response
from prometheus_client.exposition import choose_encoder

router = APIRouter()


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response, tags=["operation"])
def metrics(request: Request, accept: Annotated[str, Header()] = "") -> Response:
    """Jobs, queue, workers, requests and space, in Prometheus's text format or OpenMetrics."""
    encode, kind = choose_encoder(accept)
    return Response(encode(request.app.state.metrics.registry), media_type=kind)
