# The service in a container.
#
#   docker build -t lipwright .                                    # networks on the CPU
#   docker build -t lipwright:cuda --build-arg VARIANT=cuda .      # on NVIDIA GPUs
#
# EXTRAS=serve,heygem adds PyTorch, which converts published HeyGem checkpoints; a folder that was converted elsewhere
# does without.

FROM python:3.11-slim-bookworm AS build
ARG VARIANT=cpu
ARG EXTRAS=serve
RUN python -m venv /opt/lipwright
WORKDIR /src
COPY pyproject.toml README.md LICENSE NOTICE ./
COPY src src
RUN /opt/lipwright/bin/pip install --no-cache-dir ".[${EXTRAS}]"
# Both builds of ONNX Runtime fill one folder: the plain one has to go before the other comes, with CUDA's own libraries.
RUN case "${VARIANT}" in \
      cpu) ;; \
      cuda) /opt/lipwright/bin/pip uninstall --yes onnxruntime \
            && /opt/lipwright/bin/pip install --no-cache-dir "onnxruntime-gpu[cuda,cudnn]" ;; \
      *) echo "VARIANT is cpu or cuda, not ${VARIANT}" >&2; exit 1 ;; \
    esac

FROM python:3.11-slim-bookworm
# OpenCV's and MediaPipe's; of Debian's release, whose security updates are wanted, so no version is named.
# hadolint ignore=DL3008
RUN apt-get update \
    && apt-get install --yes --no-install-recommends libgl1 libglib2.0-0 \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --uid 10001 --user-group --create-home lipwright \
    && install --directory --owner lipwright --group lipwright --mode 700 /data /models
COPY --from=build /opt/lipwright /opt/lipwright
# CUDA's libraries come as Python packages, which the loader does not know.
RUN find /opt/lipwright -type d -path '*/nvidia/*' -name lib > /etc/ld.so.conf.d/lipwright.conf && ldconfig

ENV PATH=/opt/lipwright/bin:$PATH \
    PYTHONUNBUFFERED=1 \
    LIPWRIGHT_DATA_DIR=/data \
    LIPWRIGHT_MODELS=/models \
    LIPWRIGHT_HOST=0.0.0.0 \
    LIPWRIGHT_PUBLIC=true
USER 10001:10001
WORKDIR /data
VOLUME ["/data", "/models"]
EXPOSE 8383
HEALTHCHECK --interval=15s --timeout=10s --start-period=60s --retries=3 \
    CMD ["python", "-c", "from urllib.request import urlopen; urlopen('http://127.0.0.1:8383/ready', timeout=8)"]
ENTRYPOINT ["lipwright"]
CMD ["serve"]
