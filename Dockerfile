# The one executable in a small image. Built in two stages: the compiler stays behind.
FROM rust:1.95-bookworm AS build
WORKDIR /src
COPY . .
RUN cargo build --release --locked --bin foldstream

FROM debian:bookworm-slim
RUN useradd --system --uid 10001 --no-create-home foldstream
COPY --from=build /src/target/release/foldstream /usr/local/bin/foldstream
USER 10001
ENV FOLDSTREAM_HTTP_LISTEN=0.0.0.0:3000
EXPOSE 3000
ENTRYPOINT ["foldstream"]
CMD ["run", "all"]
