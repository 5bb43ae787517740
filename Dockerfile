# docker build -t image-crawler .
# docker run --rm -v "$PWD/data:/crawl/data" image-crawler crawl https://example.org/

FROM python:3.13-slim AS build
WORKDIR /source
COPY . .
RUN pip wheel --no-cache-dir --wheel-dir /wheels .

FROM python:3.13-slim
LABEL org.opencontainers.image.title="image-crawler" \
      org.opencontainers.image.licenses="MIT"
RUN --mount=type=bind,from=build,source=/wheels,target=/wheels \
    pip install --no-cache-dir --no-index --find-links /wheels image-crawler \
    && useradd --uid 1000 --create-home crawler \
    && install --directory --owner crawler --group crawler /crawl /crawl/data
ENV PYTHONUNBUFFERED=1
USER crawler
WORKDIR /crawl
VOLUME /crawl/data
# SIGINT is what Ctrl-C sends: the crawl finishes what is in hand, and keeps its state
STOPSIGNAL SIGINT
ENTRYPOINT ["image-crawler"]
CMD ["--help"]
