import type { Logger } from 'pino';

export function createLog(service: string): Logger;
