# How to run it: docs/how-to/run-in-a-container.md

FROM python:3.13-slim-bookworm AS build
WORKDIR /src
RUN ["python", "-m", "venv", "--without-pip", "/opt/nolone"]
COPY requirements.txt ./
RUN ["python", "-m", "pip", "--python", "/opt/nolone/bin/python", "install", "--no-cache-dir", "--disable-pip-version-check", "--require-hashes", "-r", "requirements.txt"]
COPY pyproject.toml README.md LICENSE ./
COPY bot bot
RUN ["python", "-m", "pip", "--python", "/opt/nolone/bin/python", "install", "--no-cache-dir", "--disable-pip-version-check", "--no-deps", "--no-build-isolation", "."]

FROM python:3.13-slim-bookworm
COPY --from=build /opt/nolone /opt/nolone
# No VOLUME: an unnamed one goes with its container, and would hide that from the bot.
RUN ["install", "-d", "-o", "10001", "-g", "10001", "-m", "0700", "/data"]
ENV PATH=/opt/nolone/bin:/usr/local/bin:/usr/bin:/bin \
    PYTHONUNBUFFERED=1 \
    HOST=0.0.0.0 \
    PORT=3000 \
    DATABASE_URL=sqlite:////data/nolone.db \
    NOLONE_POLICY=/etc/nolone/policy.yaml \
    LOG_FORMAT=json
USER 10001:10001
WORKDIR /data
EXPOSE 3000
STOPSIGNAL SIGTERM
HEALTHCHECK --interval=30s --timeout=5s --start-period=30s --retries=3 CMD ["python", "-c", "import os, urllib.request; urllib.request.urlopen('http://127.0.0.1:' + os.environ['PORT'] + '/healthz', timeout=4)"]
ENTRYPOINT ["nolone"]
CMD ["run"]
