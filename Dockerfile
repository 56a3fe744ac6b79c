# The service `club` and the auditor's `replay` in one image.
# Keep RUST in step with rust-toolchain.toml, which stays outside (.dockerignore): rustup would
# download that toolchain once more, with lints and formatter.
ARG RUST=1.95.0

FROM rust:${RUST}-slim-bookworm AS build
# The Kafka client's library is C, built from source.
RUN apt-get update \
    && apt-get install -y --no-install-recommends g++ make \
    && rm -rf /var/lib/apt/lists/*
WORKDIR /src
COPY . .
# The caches are the builder's own; the binaries must leave them to become part of a layer.
RUN --mount=type=cache,target=/usr/local/cargo/registry \
    --mount=type=cache,target=/src/target \
    cargo build --release --locked -p api -p replay \
    && mkdir /out \
    && cp target/release/club target/release/replay /out/

FROM debian:bookworm-slim
# Certificates: payment providers and mail servers are reached by TLS.
RUN apt-get update \
    && apt-get install -y --no-install-recommends ca-certificates \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --system --uid 10001 --user-group --no-create-home --shell /usr/sbin/nologin club
COPY --from=build /out/club /out/replay /usr/local/bin/
COPY ops/compose/ready /usr/local/bin/club-ready
USER 10001:10001
ENV CLUB_LISTEN=0.0.0.0:8000
EXPOSE 8000
HEALTHCHECK --interval=5s --timeout=5s --start-period=10s --retries=12 CMD ["club-ready"]
CMD ["club", "serve"]
