import { describe, expect, it } from '@jest/globals';
import { baseImages } from './dockerfile.ts';

describe('the bases of a Dockerfile', () => {
  it('are the images of all stages, once each, without scratch and own stages', () => {
    const text = `
      # FROM comment:1
      FROM node:24-slim AS build
      RUN echo FROM nothing:1
      FROM build AS more
      FROM scratch
      COPY --from=build /a /a
      COPY --from=busybox:1.37 /bin/busybox /bin/
      COPY --from=0 /b /b
      from node:24-slim
    `;
    expect(baseImages(text)).toEqual(['node:24-slim', 'busybox:1.37']);
  });

  it('takes arguments from before the first FROM, and what the build says over them', () => {
    const text = 'ARG NODE=24\nFROM --platform=linux/amd64 node:${NODE}-slim\n';
    expect(baseImages(text)).toEqual(['node:24-slim']);
    expect(baseImages(text, { NODE: '20' })).toEqual(['node:20-slim']);
  });

  it('follows continued lines', () => {
    expect(baseImages('FROM \\\n  node:24-slim \\\n  AS x\nFROM x')).toEqual(['node:24-slim']);
  });
});
