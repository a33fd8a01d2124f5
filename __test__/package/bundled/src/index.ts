export * from './remote';
export { default as settings } from './settings.json';
