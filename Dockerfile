# One container with everything: docker build -t afterglow . && docker run --init -p 127.0.0.1:4000:4000 -v afterglow:/app/data afterglow
# It keeps its own PostgreSQL in the volume unless DATABASE_URL names another. For several daemons on one database see compose.yaml.
FROM node:24-bookworm-slim

WORKDIR /app
ENV NODE_ENV=production

# The image is Node 24, so the one from npm (190 MB) is dropped.
COPY package.json package-lock.json ./
RUN npm ci --omit=dev && npm cache clean --force && rm -rf node_modules/node-linux-* node_modules/.bin/node

COPY bin ./bin
COPY src ./src
COPY runners ./runners
COPY fixtures ./fixtures
COPY helpers ./helpers

# Links the libraries of the embedded PostgreSQL now, as the user below may not write there, and fails the build where it does not run.
RUN node -e "import('/app/src/db/postgres/binaries.ts').then(({ findBinaries }) => console.log(findBinaries()))" \
  && ln -s /app/bin/afterglow.js /usr/local/bin/afterglow \
  && mkdir data && chown node:node data

USER node
VOLUME /app/data

# Inside the container only: what of it is reachable is decided by -p.
ENV AFTERGLOW_HOST=0.0.0.0
EXPOSE 4000

HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 \
  CMD ["node", "-e", "fetch(`http://127.0.0.1:${process.env.AFTERGLOW_PORT || 4000}/healthz`).then((answer) => process.exit(answer.ok ? 0 : 1), () => process.exit(1))"]

# The grace time of the daemon is 10 s, and Docker's own would kill it just then: docker stop --time 30.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "src/main.ts"]
CMD ["start"]
