# The images, from one file: worker, grading, service. See docs/images.md.
#
# Builds with the classic builder of Docker 20.10 as well as with BuildKit. Where nothing can be
# pulled, tools/base_image.sh makes the base.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
# No file may lend its owner's rights: there is one user in a container, and it needs no other.
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +

# ---- What is installed: libraries for the worker, and beside them the judge's own -------------
FROM base AS libraries
COPY requirements/worker.lock /tmp/
RUN python3 -m venv --without-pip /opt/nnx-grader/libraries \
 && python3 -m pip --python /opt/nnx-grader/libraries/bin/python install --no-cache-dir \
        --only-binary :all: --no-deps --require-hashes --requirement /tmp/worker.lock \
 && python3 -m pip --python /opt/nnx-grader/libraries/bin/python check

FROM base AS wheel
COPY requirements/build.lock /tmp/
RUN python3 -m venv --without-pip /build \
 && python3 -m pip --python /build/bin/python install --no-cache-dir \
        --only-binary :all: --no-deps --require-hashes --requirement /tmp/build.lock
COPY . /source
RUN python3 -m pip --python /build/bin/python wheel --no-cache-dir --no-index --no-deps \
        --no-build-isolation --wheel-dir /wheels /source

FROM libraries AS judge
COPY requirements/grading.lock /tmp/
RUN python3 -m venv --without-pip /opt/nnx-grader/judge \
 && ls -d /opt/nnx-grader/libraries/lib/python3.*/site-packages \
        > "$(ls -d /opt/nnx-grader/judge/lib/python3.*/site-packages)/libraries.pth" \
 && python3 -m pip --python /opt/nnx-grader/judge/bin/python install --no-cache-dir \
        --only-binary :all: --no-deps --require-hashes --requirement /tmp/grading.lock
COPY --from=wheel /wheels /wheels
RUN python3 -m pip --python /opt/nnx-grader/judge/bin/python install --no-cache-dir --no-index \
        --no-deps /wheels/*.whl \
 && python3 -m pip --python /opt/nnx-grader/judge/bin/python check

# ---- What is computed ahead: expected values for the judge, compiled programs for the worker --
FROM judge AS warm
ARG WORKER_DIGEST=""
ENV GRADER_CACHE=/var/cache/nnx-grader
RUN /opt/nnx-grader/judge/bin/grader warm --all \
 && cp -r /var/cache/nnx-grader/compile/* /opt/nnx-grader/compile \
 && cp -r /opt/nnx-grader/judge/lib/python3.*/site-packages/grader/sandbox/worker \
        /opt/nnx-grader/worker \
 && /opt/nnx-grader/judge/bin/python -m grader.sandbox.image > /opt/nnx-grader/worker.json

# ---- worker: what shares a container with a submission; no reference, no judge ----------------
FROM base AS worker
ARG WORKER_DIGEST=""
COPY --from=libraries /opt/nnx-grader/libraries /opt/nnx-grader/libraries
COPY --from=warm /opt/nnx-grader/worker /opt/nnx-grader/worker
COPY --from=warm /opt/nnx-grader/compile /opt/nnx-grader/compile
COPY --from=warm /opt/nnx-grader/worker.json /opt/nnx-grader/worker.json
LABEL org.opencontainers.image.title="nnx-grader worker" \
      org.nnx-grader.worker-digest="${WORKER_DIGEST}"
USER 65534:65534
WORKDIR /
# It lives as long as one submission; its judge watches it. Nothing else may start inside.
HEALTHCHECK NONE
ENTRYPOINT ["python3", "-I", "-S", "-B", "/opt/nnx-grader/worker"]
