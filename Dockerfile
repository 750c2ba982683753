# The image of `sealfast run` in a cluster: one program, no shell needed, no rights needed.
#   docker build -t registry.example.com/sealfast:1.0 .
FROM rust:slim AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --package sealfast-cli

FROM debian:stable-slim
RUN apt-get update && apt-get install --yes --no-install-recommends ca-certificates && rm -rf /var/lib/apt/lists/*
COPY --from=build /src/target/release/sealfast /usr/local/bin/sealfast
# What is freed goes back at once: the controllers are idle most of the time.
ENV MIMALLOC_PURGE_DELAY=0
USER 65534:65534
ENTRYPOINT ["/usr/local/bin/sealfast"]
CMD ["run"]
