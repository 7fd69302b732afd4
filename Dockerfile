# The server as an image: docs/deploying.md says how to run it.

FROM node:26.10.0-slim AS build
WORKDIR /build
COPY package.json package-lock.json .npmrc ./
# Scripts of dependencies do nothing that the build needs; one would download a second Node.js.
RUN npm ci --ignore-scripts
COPY rolldown.config.ts rolldown.licenses.ts server.schema.json ./
COPY scripts/pages.ts scripts/
COPY src ./src
# package.json tells Node.js that the program is a module. What the program loads later, if there is any, is in dist/cli.
RUN npm run build:cli && mkdir image && cp -R dist/cli* package.json server.schema.json image/

# Node.js and the libraries it needs, no shell, no package manager. The same C library as where the figures were measured.
FROM gcr.io/distroless/nodejs26-debian13:nonroot
WORKDIR /app
COPY --from=build /build/image/ ./

# The environment wins over a mounted server.json: inside of a container both addresses are right whatever the file says.
# The admin port is for the health check; it stays inside until SUMMONER_ADMIN_HOST and SUMMONER_ADMIN_TOKEN are given.
ENV SUMMONER_HOST=0.0.0.0 \
    SUMMONER_ADMIN_PORT=9090
EXPOSE 8888 9090

# A number, so that Kubernetes can see that it is not root.
USER 65532:65532

HEALTHCHECK --interval=30s --timeout=5s --start-period=10s --retries=3 \
  CMD ["/nodejs/bin/node", "-e", "fetch('http://127.0.0.1:' + process.env.SUMMONER_ADMIN_PORT + '/healthz').then((r) => process.exit(r.ok ? 0 : 1), () => process.exit(1))"]

# No shell in between: the server is process 1 and gets SIGTERM itself. What it starts with worker_threads above 1 it reaps itself.
STOPSIGNAL SIGTERM
ENTRYPOINT ["/nodejs/bin/node", "/app/cli.js"]
