# docker build -t image-crawler .
# docker run --rm -v "$PWD/data:/crawl/data" image-crawler crawl https://example.org/
#
# ./data has to be writable for uid 1000; or say --user. For a crawl by several containers see compose.yaml.
#
# With Chromium, for pages that scripts make; docs/rendering.md says what the option is for:
#
# docker build --target render -t image-crawler:render .
# docker run --rm --security-opt seccomp=unconfined -v "$PWD/data:/crawl/data" image-crawler:render crawl https://example.org/

FROM python:3.13-slim AS build
WORKDIR /source
COPY requirements.lock .
# exactly the versions and the bytes of requirements.lock, all extras included; then the program alone
RUN python -m venv /venv && /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY . .
RUN pip wheel --no-cache-dir --no-deps --wheel-dir /wheels . && /venv/bin/pip install --no-cache-dir --no-deps /wheels/*.whl

FROM python:3.13-slim AS program
LABEL org.opencontainers.image.title="image-crawler" \
      org.opencontainers.image.licenses="MIT"
COPY --from=build /venv /venv
RUN useradd --uid 1000 --create-home crawler \
    && install --directory --owner crawler --group crawler /crawl /crawl/data
ENV PATH="/venv/bin:$PATH" PYTHONUNBUFFERED=1
USER crawler
WORKDIR /crawl
# SIGINT is what Ctrl-C sends: crawl, serve and work finish what is in hand, and lose nothing. Unlike SIGTERM, it reaches
# Python as the first process of a container from the first moment on. The exit code is 130 then; see docs/operating.md
STOPSIGNAL SIGINT
ENTRYPOINT ["image-crawler"]
CMD ["--help"]

FROM program AS render
USER root
# Debian's, which is no fixed version: a browser wants its security updates, so build it anew now and then
RUN apt-get update && apt-get install --yes --no-install-recommends chromium && rm -rf /var/lib/apt/lists/*
USER crawler

# what is built unless --target says otherwise: without a browser
FROM program
