# Slipway: worker, CLI, jobs and the simulated cloud in one image; the command says which. One process a container.
# Debian, since the Temporal SDK's native part is made for glibc alone.
FROM node:24.21.0-bookworm-slim AS build
WORKDIR /app
COPY package.json package-lock.json .npmrc ./
# Scripts stay off: no dependency needs one, and our own build comes next.
RUN npm ci --ignore-scripts
COPY tsconfig.json tsconfig.build.json ./
COPY src ./src
RUN npm run build && npm prune --omit=dev --ignore-scripts

FROM node:24.21.0-bookworm-slim
# A threshold of one's own keeps glibc from raising it: what was freed goes back to the system (docs/performance.md).
ENV NODE_ENV=production \
    SLIPWAY_HEALTH_ADDRESS=0.0.0.0:8090 \
    MALLOC_TRIM_THRESHOLD_=131072
WORKDIR /app
# What is run belongs to root: the process cannot change itself.
COPY --from=build /app/package.json ./
COPY --from=build /app/node_modules ./node_modules
COPY --from=build /app/dist ./dist
# A named volume takes over whose its mount point is: the demo writes there.
RUN mkdir /demo && chown node:node /demo
USER node
# Asks the worker of this container: do both pollers poll, does Temporal answer? Jobs switch it off.
HEALTHCHECK --interval=15s --timeout=5s --start-period=60s --retries=3 CMD ["node", "dist/cli/main.js", "health"]
# Exec form: node is process 1 and gets SIGTERM itself.
STOPSIGNAL SIGTERM
ENTRYPOINT ["node", "dist/cli/main.js"]
CMD ["worker"]
