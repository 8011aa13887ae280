# The images, from one file: worker, grading, service. See docs/images.md.
#
# Builds with the classic builder of Docker 20.10 as well as with BuildKit. Where nothing can be
# pulled, tools/base_image.sh makes the base.
ARG PYTHON_IMAGE=python:3.12-slim-bookworm

FROM ${PYTHON_IMAGE} AS base
# No file may lend its owner's rights: there is one user in a container, and it needs no other.
RUN find / -xdev -type f -perm /6000 -exec chmod a-s {} +

FROM base AS commands
COPY tools/images /commands
RUN chmod 755 /commands/*

# ---- What is installed: libraries for the worker, and beside them the judge's own -------------
FROM base AS libraries
COPY requirements/worker.lock /tmp/
RUN python3 -m venv --without-pip /opt/nnx-grader/libraries \
 && python3 -m pip --python /opt/nnx-grader/libraries/bin/python install --quiet --no-cache-dir \
        --only-binary :all: --no-deps --require-hashes --requirement /tmp/worker.lock \
 && python3 -m pip --python /opt/nnx-grader/libraries/bin/python check \
 && find /opt/nnx-grader/libraries -type d -name tests -prune -exec rm -r {} +

FROM base AS wheel
COPY requirements/build.lock /tmp/
RUN python3 -m venv --without-pip /build \
 && python3 -m pip --python /build/bin/python install --quiet --no-cache-dir \
        --only-binary :all: --no-deps --require-hashes --requirement /tmp/build.lock
COPY pyproject.toml LICENSE /source/
COPY grader /source/grader
COPY reference /source/reference
# The same sources give the same wheel, so what is computed from it below stays in the build's cache.
RUN export SOURCE_DATE_EPOCH=315532800 \
 && touch /source/README.md \
 && python3 -m pip --python /build/bin/python wheel --quiet --no-cache-dir --no-index --no-deps \
        --no-build-isolation --wheel-dir /wheels /source

# The judge sees the libraries and, in the image `service`, what a server needs besides; nobody sees
# the judge. A folder that is not there is passed over.
FROM libraries AS judge
COPY requirements/grading.lock /tmp/
RUN python3 -m venv --without-pip /opt/nnx-grader/judge \
 && cd /opt/nnx-grader/judge/lib/python3.*/site-packages \
 && printf '%s\n' /opt/nnx-grader/libraries/lib/python3.*/site-packages /opt/nnx-grader/service \
        > nnx_grader_images.pth \
 && python3 -m pip --python /opt/nnx-grader/judge/bin/python install --quiet --no-cache-dir \
        --only-binary :all: --no-deps --require-hashes --requirement /tmp/grading.lock \
 && find /opt/nnx-grader/judge -type d -name tests -prune -exec rm -r {} +
COPY --from=wheel /wheels /wheels
RUN python3 -m pip --python /opt/nnx-grader/judge/bin/python install --quiet --no-cache-dir --no-index \
        --no-deps /wheels/*.whl \
 && python3 -m pip --python /opt/nnx-grader/judge/bin/python check

# ---- What is computed ahead: expected values for the judge, compiled programs for the worker --
# The group's rights are the owner's: `docker run --user N` gives group 0. Nobody else, so not the
# worker's own uid 65534 either, may read the expected values.
FROM judge AS warm
ARG WORKER_DIGEST=""
RUN export GRADER_CACHE=/warm/nnx-grader \
 && mkdir /warm \
 && /opt/nnx-grader/judge/bin/grader warm --all \
 && chmod -R g=u "$GRADER_CACHE" \
 && cp -r "$GRADER_CACHE"/compile/* /opt/nnx-grader/compile \
 && cp -r /opt/nnx-grader/judge/lib/python3.*/site-packages/grader/sandbox/worker \
        /opt/nnx-grader/worker \
 && /opt/nnx-grader/judge/bin/python -m grader.sandbox.image > /opt/nnx-grader/worker.json

# ---- worker: what shares a container with a submission; no reference, no judge ----------------
# Only what a worker may read goes in, all of it in one folder that can serve as a root by itself:
# see grader/sandbox/worker/root.py. A shell, a password file and the rest of the base stay out.
FROM warm AS inside
COPY --from=commands /commands/lay_out.py /
RUN python3 /lay_out.py /opt/nnx-grader/worker.json /image

FROM scratch AS worker
COPY --from=inside /image /
ARG VERSION=0.1.0
ARG REVISION=""
ARG WORKER_DIGEST=""
LABEL org.opencontainers.image.title="nnx-grader worker" \
      org.opencontainers.image.description="Runs one submission for a judge outside" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.nnx-grader.worker-digest="${WORKER_DIGEST}"
USER 65534:65534
WORKDIR /
# It lives as long as one submission; its judge watches it. Nothing else may start inside.
HEALTHCHECK NONE
ENTRYPOINT ["python3", "-I", "-S", "-B", "/opt/nnx-grader/worker"]

# ---- grading: judge, exercises and workers in one container, as grading platforms run it -------
FROM base AS grading
RUN useradd --uid 1000 --gid 0 --no-create-home --home-dir /nonexistent grader
COPY --from=libraries /opt/nnx-grader/libraries /opt/nnx-grader/libraries
COPY --from=judge /opt/nnx-grader/judge /opt/nnx-grader/judge
COPY --from=warm --chown=1000:0 /warm /var/cache
COPY --from=commands /commands/grader /commands/grade-on /usr/local/bin/
COPY --from=commands /commands/run_autograder /autograder/run_autograder
ARG VERSION=0.1.0
ARG REVISION=""
ARG WORKER_DIGEST=""
LABEL org.opencontainers.image.title="nnx-grader grading" \
      org.opencontainers.image.description="Grades submissions inside one container" \
      org.opencontainers.image.licenses="Apache-2.0" \
      org.opencontainers.image.version="${VERSION}" \
      org.opencontainers.image.revision="${REVISION}" \
      org.nnx-grader.worker-digest="${WORKER_DIGEST}"
# Platforms start a container as the image's own user, and what they mount belongs to root: another
# user could not write the result. The worker is uid 65534 then; any other user will do elsewhere.
USER 0:0
WORKDIR /work
# It grades and ends.
HEALTHCHECK NONE
CMD ["grader"]

# ---- service: grading and what a server needs besides -----------------------------------------
FROM judge AS service-libraries
COPY requirements/service.lock /tmp/
RUN mkdir /opt/nnx-grader/service \
 && if grep -q == /tmp/service.lock; then \
        python3 -m pip --python /opt/nnx-grader/judge/bin/python install --quiet --no-cache-dir \
            --only-binary :all: --no-deps --require-hashes --target /opt/nnx-grader/service \
            --requirement /tmp/service.lock; \
    fi \
 && python3 -m pip --python /opt/nnx-grader/judge/bin/python check

FROM grading AS service
COPY --from=service-libraries /opt/nnx-grader/service /opt/nnx-grader/service
COPY --from=commands /commands/healthy /usr/local/bin/healthy
USER root
RUN install --directory --owner=1000 --group=0 --mode=770 /var/lib/nnx-grader
USER 1000:0
ENV GRADER_DATA=/var/lib/nnx-grader GRADER_HOST=0.0.0.0 GRADER_PORT=8000
VOLUME /var/lib/nnx-grader
EXPOSE 8000
LABEL org.opencontainers.image.title="nnx-grader service" \
      org.opencontainers.image.description="The web service and its workers"
HEALTHCHECK --interval=10s --timeout=6s --start-period=30s CMD ["healthy"]
CMD ["grader", "serve"]
