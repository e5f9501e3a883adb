// Asks two other services at the same time and puts their answers together: ?name=Ada&text=to+be+or+not+to+be
const { name = 'world', text = 'to be or not to be' } = event.request.parameters;

const ask = (path, payload) =>
    new Promise((resolve) => platform.api.post(path, payload, null, (body) => resolve(JSON.parse(body))));

return Promise.all([ask('hello', { name }), ask('statistics', { text })]).then(([greeting, statistics]) => {
    console.log('both services have answered');
    return { greeting: greeting.message, statistics };
});
