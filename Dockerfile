# docker build -t lightwell . && docker run --rm -p 127.0.0.1:8000:8000 -e LIGHTWELL_TOKEN=... lightwell
FROM python:3.13-slim AS build
WORKDIR /build
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . \
 && python -m venv /opt/lightwell \
 && /opt/lightwell/bin/pip install --no-cache-dir "$(echo /wheels/*.whl)[serve]"

FROM python:3.13-slim
RUN useradd --system --no-create-home --shell /usr/sbin/nologin lightwell
COPY --from=build /opt/lightwell /opt/lightwell
ENV PATH=/opt/lightwell/bin:$PATH PYTHONUNBUFFERED=1 PYTHONDONTWRITEBYTECODE=1
USER lightwell
WORKDIR /tmp
EXPOSE 8000
HEALTHCHECK --interval=30s --timeout=5s --start-period=20s \
  CMD ["python", "-c", "import urllib.request; urllib.request.urlopen('http://127.0.0.1:8000/healthz', timeout=4)"]
STOPSIGNAL SIGTERM
# Inside a container every address is its own; the token is printed, or comes from LIGHTWELL_TOKEN.
ENTRYPOINT ["lightwell", "serve", "--host", "0.0.0.0"]
