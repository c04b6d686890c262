/** Every workflow type, by its exported name. */
export { instance } from './instance.js';
export { watch } from './watch.js';
