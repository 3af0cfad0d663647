# The image of every service but the server: worker, http, receiver differ only by their command.
FROM python:3.13-slim AS build
WORKDIR /src
RUN python -m venv /venv
COPY requirements.lock ./
RUN /venv/bin/pip install --no-cache-dir --require-hashes -r requirements.lock
COPY pyproject.toml README.md LICENSE ./
COPY interlock ./interlock
COPY examples/support-desk ./examples/support-desk
# Hatchling comes from the lock, so that the build fetches nothing.
RUN /venv/bin/pip install --no-cache-dir --no-deps --no-build-isolation .

FROM python:3.13-slim
RUN useradd --system --create-home --home-dir /var/lib/interlock interlock \
    # A volume mounted there takes its owner from the image.
    && install --directory --owner=interlock /var/lib/interlock/receiver
COPY --from=build /venv /venv
ENV PATH="/venv/bin:$PATH" PYTHONUNBUFFERED=1 INTERLOCK_LOG_FORMAT=json
USER interlock
WORKDIR /var/lib/interlock
STOPSIGNAL SIGTERM
CMD ["interlock", "worker"]
