// The page of `analyze --html`, as a person uses it.

export const closure = async (page, file, attempt) => {
  page.errors = [];
  await attempt('the page of a closure loads, and nothing besides', async () => {
    await page.go(`file://${file}`);
    await page.until("document.querySelectorAll('#map button').length > 100");
    const others = page.requests.filter((url) => !url.startsWith('file://'));
    if (others.length) throw new Error(`it asked for ${others}`);
  });
  await attempt('the picture fills its frame, in proportion to the code', async () => {
    const problem = await page.evaluate(`(() => {
      const box = document.querySelector('#map').getBoundingClientRect();
      const pieces = [...document.querySelectorAll('#map button')].map((e) => [byIndex.get(Number(e.dataset.index)), e.getBoundingClientRect()]);
      const area = pieces.reduce((sum, [, r]) => sum + r.width * r.height, 0);
      if (Math.abs(area / (box.width * box.height) - 1) > 0.02) return 'the pieces cover ' + area / (box.width * box.height);
      const whole = pieces.reduce((sum, [f]) => sum + (f?.bytes ?? 0), 0);
      for (const [f, r] of pieces) {
        const share = f && (r.width * r.height / area) / (f.bytes / whole);
        if (f && f.bytes > 500 && Math.abs(share - 1) > 0.1) return f.name + ' is drawn ' + share + ' times as large';
        if (r.left < box.left - 1 || r.right > box.right + 1 || r.bottom > box.bottom + 1) return f?.name + ' lies outside';
      }
      return '';
    })()`);
    if (problem) throw new Error(problem);
  });
  await attempt('a piece tells why its function is there', async () => {
    await page.evaluate("[...document.querySelectorAll('#map button')].find((e) => e.title.startsWith('main,')).click()");
    const why = await page.evaluate("document.querySelector('#why').innerText");
    if (!/^main \(function \d+/.test(why) || !/calls kernel_fork|calls __kernel_fork|_Fork/.test(why)) throw new Error(why);
  });
  await attempt('the table is sorted and filtered', async () => {
    await page.evaluate("document.querySelector('#filter').value = 'eval'; document.querySelector('#filter').dispatchEvent(new Event('input'))");
    const names = await page.evaluate("[...document.querySelectorAll('#functions tr.link')].map((row) => row.children[1].textContent)");
    if (!names.length || !names.every((name) => name.includes('eval'))) throw new Error(`it lists ${names}`);
    await page.evaluate("document.querySelectorAll('#functions th')[1].click()");
    const sorted = await page.evaluate("[...document.querySelectorAll('#functions tr.link')].map((row) => row.children[1].textContent)");
    if (`${sorted}` !== `${[...names].sort()}`) throw new Error(`by name it lists ${sorted}`);
    if ((await page.evaluate("document.querySelectorAll('#advice tr').length")) < 2) throw new Error('there is no advice');
  });
  await attempt('nothing failed in that page', () => {
    if (page.errors.length) throw new Error(page.errors.join('\n'));
  });
};
