# One image for all nodes of all labs: a slim Python, what a node imports, and the code, compiled.
FROM python:3.12-slim

ENV PYTHONUTF8=1 \
    PYTHONPATH=/app \
    GRPC_VERBOSITY=NONE \
    GRPC_ENABLE_FORK_SUPPORT=0 \
    MALLOC_ARENA_MAX=1

# Of the project's dependencies a node needs gRPC and protobuf alone; the rest is for the `lab` command.
WORKDIR /app
COPY pyproject.toml ./
RUN python -c "import tomllib; \
names = tomllib.load(open('pyproject.toml', 'rb'))['project']['dependencies']; \
print(*(name for name in names if name.startswith(('grpcio', 'protobuf'))), sep='\n')" > requirements.txt \
    && pip install --no-cache-dir --disable-pip-version-check --root-user-action=ignore -r requirements.txt \
    && rm requirements.txt

COPY protos ./protos
COPY nodes ./nodes
# Everybody may write here, since a volume takes its rights from this folder and nodes run as whoever runs the
# lab; each volume belongs to one node.
RUN python -m compileall -q nodes protos && install -d -m 1777 /lab/data

USER 10001:10001
VOLUME /lab/data
ENTRYPOINT ["python", "-m", "nodes.host.container"]
