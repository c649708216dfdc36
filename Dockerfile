# The image: one static program and the root certificates, nothing else. No shell, no package manager,
# no user database; runs as an unprivileged number.
#
#   docker build --tag valkeeper .
#
# Built natively for each architecture, because the cryptography is partly in assembler. The same sources
# and the same compiler give the same program: paths of the build machine are removed, times are fixed.

ARG RUST_VERSION=1.95
FROM rust:${RUST_VERSION}-alpine AS build
RUN apk add --no-cache build-base ca-certificates
WORKDIR /src
COPY Cargo.toml Cargo.lock ./
COPY src src
COPY crates crates
COPY sandbox sandbox
COPY xtask xtask
COPY schemas schemas
COPY crds crds
# Such as otlp, for traces.
ARG FEATURES=
ARG SOURCE_DATE_EPOCH=0
ENV SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH} \
    CARGO_INCREMENTAL=0 \
    RUSTFLAGS="-C target-feature=+crt-static -C link-arg=-Wl,--build-id=none --remap-path-prefix=/src=. --remap-path-prefix=/usr/local/cargo=cargo"
RUN cargo build --release --locked --features "${FEATURES}" --bin valkeeper \
 && strip target/release/valkeeper \
 && install -D -m 0755 target/release/valkeeper /image/valkeeper \
 && install -D -m 0644 /etc/ssl/certs/ca-certificates.crt /image/etc/ssl/certs/ca-certificates.crt

FROM scratch
LABEL org.opencontainers.image.title="valkeeper" \
      org.opencontainers.image.description="Kubernetes operator for Aiven for Valkey and Redis" \
      org.opencontainers.image.licenses="Apache-2.0"
COPY --from=build /image /
USER 65532:65532
EXPOSE 8080 8081
ENTRYPOINT ["/valkeeper"]
CMD ["run"]
