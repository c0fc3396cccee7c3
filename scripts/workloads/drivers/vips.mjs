// node vips.mjs GLUE MODULE: makes, changes and writes pictures in libvips, on one thread as far as it lets.
import crypto from 'node:crypto';
import { pathToFileURL } from 'node:url';

const [glue, module] = process.argv.slice(2);
const { default: Vips } = await import(pathToFileURL(glue));
const vips = await Vips({ dynamicLibraries: [], locateFile: (name, folder) => (name.endsWith('.wasm') ? module : folder + name) });
vips.concurrency(1);
vips.Cache.max(0);
const show = (what, image) => {
  const hash = crypto.createHash('sha256').update(image.writeToMemory()).digest('hex');
  console.log(`${what}: ${image.width} x ${image.height}, ${image.bands} bands, average ${image.avg()}, ${hash}`);
};
const sines = vips.Image.sines(96, 64, { hfreq: 3, vfreq: 2 });
const noise = vips.Image.perlin(96, 64, { seed: 7 });
show('sines', sines);
show('sum', sines.add(noise.multiply(0.5)));
const colours = vips.Image.bandjoin([sines.multiply(127).add(128), noise.add(128), sines.rot90().resize(1.5, { vscale: 64 / 96 }).crop(0, 0, 96, 64).add(1)]);
show('bands', colours);
const bytes = colours.cast('uchar').copy({ interpretation: 'srgb' });
for (const suffix of ['.png', '.jpg', '.webp', '.gif', '.tif']) {
  const file = bytes.writeToBuffer(suffix);
  console.log(suffix, file.length, crypto.createHash('sha256').update(file).digest('hex'));
  show(`read ${suffix}`, vips.Image.newFromBuffer(file));
}
show('small', bytes.thumbnailImage(40));
show('blurred', bytes.gaussblur(2));
show('sharp', bytes.sharpen());
for (const wrong of [() => vips.Image.newFromBuffer(new Uint8Array([1, 2, 3])), () => sines.crop(90, 90, 50, 50)]) {
  try {
    show('wrong', wrong());
  } catch (error) {
    console.log('error', String(error), String(error.message));
  }
}
vips.shutdown?.();
