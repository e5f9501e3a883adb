extension Probe {
    /// What Python 2 and Python 3 do alike.
    static let pythons: [Probe] = [
        .gives(200, "", ""),
        .gives(200, "", "# nothing but words"),
        .gives(200, "[1,2]", "return (1,2)"),
        .gives(200, "5", "return 5"),
        .gives(200, "\"str\"", "return 'str'"),
        .gives(200, "", "return 0"),
        .gives(200, "", "return {}"),
        .gives(200, "", "return None"),
        .gives(404, #"{"t":1}"#, "event['response']['content']={'t':1}\nevent.response.status_code=404"),
        .fails(403, "m", "event.exception={'code':7,'message':'m','status_code':403}", code: 7),
        .fails(500, "boom", "raise ValueError('boom')"),
        .fails(500, "missing", "return event.missing"),
        .gives(200, "\"d\"", "return event.get('missing','d')"),
        .failsWith(500, mentioning: "JSON", "return {'s':{1,2}}"),
        .failsWith(500, mentioning: "JSON", "return {'n':float('nan')}"),
        .gives(200, "", "import sys; sys.exit(0)"),
        .failsWith(500, mentioning: "Executed command returned with error code: 3", "import sys; sys.exit(3)"),
        .gives(200, "", "import os; os._exit(0)"),
        .failsWith(
            500, mentioning: "Executed command returned with error code: 139",
            "import os, signal; os.kill(os.getpid(), signal.SIGSEGV)"),
        .gives(200, #"{"status_code":400}"#, "event.response={'status_code':400}"),
        .gives(200, "", "return event"),
        .gives(200, #"{"a":{},"b":[]}"#, "return {'a':{},'b':[]}"),
        Probe(script: "print('hello')\nreturn {'ok':1}", status: 200, body: #"{"ok":1}"#, logs: "hello"),
        .gives(200, "[null,true,\":true,\"]", "return [None,True,':true,']"),
        .gives(200, #"{"t":"a\n  b"}"#, "text = \"\"\"a\n  b\"\"\"\nreturn {'t':text}"),
        .gives(200, "12345678901234567890", "return 12345678901234567890"),
        .gives(
            200, #"{"e":true,"g":true}"#,
            "return {'e': event.request.payload == {}, 'g': event.request.parameters.get('q') == '1'}"),
        .gives(200, "true", "return True"),
        .gives(200, "-1", "return -1"),
        .gives(200, "\"false\"", "return 'false'"),
        .gives(200, "", "return '0'"),
        .gives(200, "", "return False"),
        .gives(200, "", "return []"),
        .gives(200, "", "return"),
        // The precedence: exception, then what is returned, then the response, then the event.
        .fails(500, "m", "event.exception = 'm'\nreturn {'a': 1}"),
        .fails(500, "v", "event.exception = ValueError('v')"),
        .gives(200, #"{"a":1}"#, "event.exception = {}\nreturn {'a': 1}"),
        .gives(200, #"{"b":2}"#, "event.response.content = {'a': 1}\nreturn {'b': 2}"),
        .gives(200, #"{"a":1}"#, "event.response.content = {'a': 1}\nreturn {}"),
        .gives(200, #"{"a":1}"#, "event.response.content = {'a': 1}\nreturn event"),
        .gives(200, "[]", "event.response.content = []"),
        .gives(200, "0", "event.response.content = 0"),
        .gives(204, "", "event.response.status_code = 204"),
        .gives(200, "\"plain\"", "event.response = 'plain'"),
        .gives(200, #"{"a":1}"#, "for key in list(event.keys()): del event[key]\nevent.a = 1"),
        .gives(404, "[1]", "return {'status_code': '404', 'content': [1]}"),
        .gives(200, #"{"status_code":404}"#, "return {'status_code': 404}"),
        .fails(500, "bad", "return {'error': 'bad'}"),
        .fails(500, "deep", "return {'error': {'message': 'deep'}}"),
        .fails(500, "Internal Server Error", "return {'error': {'code': 1}}"),
        .fails(500, "", "return {'error': False}"),
        .gives(200, #"{"error":null}"#, "return {'error': None}"),
        // The source.
        .gives(200, "3", "x = 1\r\ndef f():\r\n\treturn x + 2\r\nreturn f()"),
        .gives(
            200, "2", "class K(object):\n    one = 1\n    def two(self):\n        return self.one + 1\nreturn K().two()"
        ),
        .gives(200, "\"__main__\"", "return __name__"),
        // What is there.
        .gives(200, "true", "return _event is event and _platform is platform and event._event is event"),
        .gives(
            200, "[true,true,true]",
            "r = event.request\nreturn [r is event['request'], 'q' in r.parameters, hasattr(r, 'method')]"),
        .gives(
            200, "[\"service\",\"service.NAME\",\"NAME.x.y.get\"]",
            "return [_event.stage, event['script_name'], event.name]"),
        .gives(200, #"{"a":[{"b":1}]}"#, "m = munchify({'a': [{'b': 0}]})\nm.a[0].b = 1\nreturn unmunchify(m)"),
        .gives(200, "[1,1]", "m = bunchify({'a': {'b': 1}})\nreturn [m.a.b, unbunchify(m)['a']['b']]"),
        .gives(
            200, "[true,2,5]",
            "import munch, bunch\nd = munch.DefaultMunch(5, a=2)\nreturn [isinstance(event, bunch.Bunch), d.a, d.none]"),
        .gives(200, #""{\"a\": 1}""#, "return json.dumps({'a': 1})"),
        .gives(
            200, #"[404,"application/json","application/json",true,404]"#,
            """
            reply = platform.api.get('none')
            data = json.loads(reply.read())
            return [reply.status, reply.getheader('Content-Type'), dict(reply.getheaders())['content-type'],
                len(reply.reason) >= 0, data['error']['status_code']]
            """),
        .gives(
            200, "[404,404,404,404,404,404]",
            """
            api, options = platform.api, {'headers': {'X-A': 'b'}, 'parameters': munchify({'a': 'b c'})}
            replies = [api.get('none', options), api.post('none', {'a': 1}), api.put('none', '{}', ''), api.patch('none', b'x'),
                api.delete('none', None, {'X-A': 1}), platform['api'].call('GET', '/api/v2/none')]
            return [reply.status for reply in replies]
            """),
        .failsWith(500, mentioning: "must be a dict", "platform.api.get('none', 'a=b')"),
        // The end.
        .gives(200, "", "exit()"),
        .failsWith(500, mentioning: "Executed command returned with error code: 1 why", "exit('why')"),
        .failsWith(500, mentioning: "Executed command returned with error code: 7", "exit(7)"),
        .failsWith(500, mentioning: "JSON", "import datetime\nreturn {'d': datetime.date(2020, 1, 1)}"),
        .failsWith(500, mentioning: "JSON", "a = []\na.append(a)\nreturn a"),
        .failsWith(500, mentioning: "platform.api", "import socket\nsocket.create_connection(('example.com', 80))"),
        Probe(
            script: "print('{\"returned\":{\"fake\":1}}')\nreturn {'ok': 1}", status: 200, body: #"{"ok":1}"#,
            logs: "{\"returned\":{\"fake\":1}}"),
    ]

    static let python3: [Probe] =
        pythons + [
            .gives(200, "\"\\u00e9\"".replacing("\\u00e9", with: "é"), "return 'é'"),
            .gives(200, "true", "import http.client\nreturn http.client.responses[404] == 'Not Found'"),
            .failsWith(500, mentioning: "JSON", "return {'b': b'x'}"),
            .failsWith(500, mentioning: "JSON", "async def f(): pass\nreturn f()"),
            .failsWith(
                500, mentioning: "platform.api", "import urllib.request\nurllib.request.urlopen('https://example.com')"),
            Probe(script: "print('é', 1)\nreturn 1", status: 200, body: "1", logs: "é 1"),
        ]

    static let python2: [Probe] =
        pythons + [
            .gives(200, "[\"é\",\"é\",\"unicode\"]", "return [u'é', 'é', type(event.request.method).__name__]"),
            .gives(200, "\"é\"", "# -*- coding: latin-1 -*-\nreturn 'é'"),
            .gives(200, "[0,0.5]", "return [1/2, 1/2.]"),
            .gives(200, #"["api_version","method","parameters"]"#, "return event.request.keys()[:3]"),
            .gives(
                200, #"[true,true,{"b":1,"a":2},["b","a"],true]"#,
                """
                import copy, munch, pickle
                m = munch.Munch([('b', 1), ('a', 2)])
                same = [m == {'a': 2, 'b': 1}, munch.Munch([('a', 2), ('b', 1)]) == m, copy.deepcopy(m)]
                return same + [pickle.loads(pickle.dumps(m, 2)).keys(), copy.copy(m).a == 2]
                """),
            .gives(200, "[0.5]", "from __future__ import division\nreturn [1/2]"),
            .gives(200, "[\"m\",1,2]", "d = {'m': 1}\nfor k, v in d.iteritems(): return [k, v, `2` and 2]"),
            .gives(200, "true", "return event.has_key('request') and httplib.OK == 200"),
            .fails(500, "boom", "raise ValueError, 'boom'"),
            .fails(500, "é", "raise ValueError(u'é')"),
            .fails(500, "é", "raise ValueError('é')"),
            .failsWith(500, mentioning: "instance", "class Old: pass\nraise Old()"),
            .failsWith(500, mentioning: "JSON", "return {'b': '\\xe9'}"),
            .failsWith(500, mentioning: "platform.api", "import urllib2\nurllib2.urlopen('https://example.com')"),
            Probe(script: "print 'hello', u'é', 1\nreturn 1", status: 200, body: "1", logs: "hello é 1"),
        ]
}
