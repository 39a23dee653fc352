# Two stages, so that no compiler and no package manager of JavaScript is in the image. Nothing in here needs BuildKit:
# docker, podman and buildah all build it, on amd64 and arm64. `make image` does, and says how large it became.
#
# Debian 12, because its libbpf, libc and iptables are those that the tests run with.
ARG BASE=docker.io/library/debian:bookworm-slim

FROM ${BASE} AS build
# npm only installs; what it installs first of all is the interpreter that the lockfile names, and that runs the rest.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends \
      binutils ca-certificates clang gcc libatomic1 libbpf-dev libc6-dev linux-libc-dev llvm make npm \
 && rm -rf /var/lib/apt/lists/*
WORKDIR /build
COPY package.json package-lock.json Makefile ./
# PACKAGES= : what `make` would look for on a developer's machine is installed above.
RUN make PACKAGES= node_modules/.package-lock.json
COPY LICENSE ./
COPY bpf bpf
COPY launcher launcher
COPY cni-conf cni-conf
COPY tools tools
COPY src src
RUN make PACKAGES= image-root

FROM ${BASE}
# libatomic1, libstdc++6: node. libbpf1: the agent, by dlopen. iptables: both flavours, for the node's own rules.
RUN apt-get update \
 && DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends iptables libatomic1 libbpf1 libstdc++6 \
 && rm -rf /var/lib/apt/lists/* /var/cache/apt/* /var/cache/debconf/*-old /var/log/apt /var/log/dpkg.log
COPY --from=build /build/dist/image/ /
# An image that cannot start is not made.
RUN sluice --version && sluice agent --help > /dev/null
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# No shell in between: the agent gets its signals itself.
ENTRYPOINT ["/usr/local/bin/node", "/opt/sluice/main.js"]
CMD ["--help"]
