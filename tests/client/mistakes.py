# ruff: noqa: E501 - a mistake is one row
"""The mistakes that ``test_mistakes.py`` makes, by kind. A row has the Python code and the text of the error."""

from typing import Dict, List, NamedTuple, Tuple

_MILLISECONDS = "expected milliseconds between 1 and 604800000"
_CODE = "expected a client code (letters, digits, '_' and inner '-'; at most 63 characters)"
_FLAG = "expected True or False"
_TEXT = "expected text that is not empty"
_METHOD = "Invalid Decisioning Method.  Must be set to one of: hybrid,on-device,server-side"
_LOCATION = "expected an http or https URL, or the path of a file that exists"
_PAYLOAD = "for a path or a URL, use the option 'artifact_location'"
_PROXY = "expected [scheme://][user:password@]host:port with the scheme http, https or socks5"
_HEADERS = "expected a dict of header names and printable ASCII values, or a callable that returns one"
_PATH = "expected the path of a file or folder that exists"

Rows = Dict[str, List[Tuple[str, str]]]

#: Options of ``TargetClient.create``, besides a valid client code and organization.
CLIENT_OPTIONS: Rows = {
    "no client code": [
        ("client=None", "Client is required"),
        ("client=''", "Client is required"),
    ],
    "client code": [
        ("client=5", f"Invalid option 'client': {_CODE}, got 5"),
        ("client='a b'", f"Invalid option 'client': {_CODE}, got 'a b'"),
    ],
    "client code that is a host": [
        (
            "client='acme.tt.omtrdc.net'",
            f"Invalid option 'client': {_CODE}, got 'acme.tt.omtrdc.net'; did you mean 'acme'? "
            "For a host, use the option 'server_domain'",
        ),
        (
            "client='https://acme.tt.omtrdc.net'",
            f"Invalid option 'client': {_CODE}, got 'https://acme.tt.omtrdc.net'; did you mean 'acme'? "
            "For a host, use the option 'server_domain'",
        ),
    ],
    "edge host as client code": [
        (
            "client='mboxedge35.tt.omtrdc.net'",
            f"Invalid option 'client': {_CODE}, got 'mboxedge35.tt.omtrdc.net'; for a host, use the option 'server_domain'",
        ),
        (
            "client='tt.omtrdc.net'",
            f"Invalid option 'client': {_CODE}, got 'tt.omtrdc.net'; for a host, use the option 'server_domain'",
        ),
    ],
    "no organization": [
        ("organization_id=None", "Organization Id is required"),
        ("organization_id=''", "Organization Id is required"),
    ],
    "organization": [
        ("organization_id=5", f"Invalid option 'organization_id': {_TEXT}, got 5"),
        ("organization_id=['a']", f"Invalid option 'organization_id': {_TEXT}, got a list of 1 item"),
    ],
    "seconds in place of milliseconds": [
        ("timeout=0.5", f"Invalid option 'timeout': {_MILLISECONDS}, got 0.5"),
        ("maximum_wait_ready=0.5", f"Invalid option 'maximum_wait_ready': {_MILLISECONDS}, got 0.5"),
        ("queue_timeout='0.5'", f"Invalid option 'queue_timeout': {_MILLISECONDS}, got '0.5'"),
        ("shutdown_timeout=0.5", f"Invalid option 'shutdown_timeout': {_MILLISECONDS}, got 0.5"),
    ],
    "time limit": [
        ("timeout=-1", f"Invalid option 'timeout': {_MILLISECONDS}, got -1"),
        ("timeout='fast'", f"Invalid option 'timeout': {_MILLISECONDS}, got 'fast'"),
        ("timeout=True", f"Invalid option 'timeout': {_MILLISECONDS}, got True"),
        ("timeout=1e12", f"Invalid option 'timeout': {_MILLISECONDS}, got 1000000000000.0"),
        ("polling_interval='often'", "Invalid option 'polling_interval': expected milliseconds between 0 and 604800000, got 'often'"),
        ("keep_alive=-1", "Invalid option 'keep_alive': expected milliseconds between 0 and 604800000, got -1"),
    ],
    "server_domain": [
        (
            "server_domain='https://edge.example'",
            "Invalid option 'server_domain': expected host or host:port, without scheme, path and user, "
            "got 'https://edge.example'",
        ),
        (
            "server_domain='edge.example:99999'",
            "Invalid option 'server_domain': expected host or host:port, without scheme, path and user, "
            "got 'edge.example:99999'",
        ),
    ],
    "text in place of a flag": [
        ("secure='false'", f"Invalid option 'secure': {_FLAG}, got 'false'"),
        ("secure=2", f"Invalid option 'secure': {_FLAG}, got 2"),
        ("log_payloads='no'", f"Invalid option 'log_payloads': {_FLAG}, got 'no'"),
        ("telemetry_enabled='yes'", f"Invalid option 'telemetry_enabled': {_FLAG}, got 'yes'"),
        ("artifact_bypass_cache='x'", f"Invalid option 'artifact_bypass_cache': {_FLAG}, got 'x'"),
        ("trust_env='x'", f"Invalid option 'trust_env': {_FLAG}, got 'x'"),
        ("verify_ssl='x'", f"Invalid option 'verify_ssl': {_FLAG}, got 'x'"),
        ("circuit_breaker='on'", f"Invalid option 'circuit_breaker': {_FLAG}, got 'on'"),
    ],
    "observers": [
        (
            "observers=print",
            "Invalid option 'observers': expected a list of callables, got a builtin_function_or_method; "
            "put it into a list",
        ),
        ("observers=[5]", "Invalid option 'observers[0]': expected a callable, got 5"),
        (
            "observers=[list]",
            "Invalid option 'observers[0]': expected an observer, got the class list; create one: list(...)",
        ),
    ],
    "logger": [
        ("logger='app'", "Invalid option 'logger': expected an object with the methods debug and error, got 'app'"),
    ],
    "another type": [
        ("target_location_hint=5", "Invalid option 'target_location_hint': expected text, got 5"),
        ("property_token=['a']", f"Invalid option 'property_token': {_TEXT}, got a list of 1 item"),
        ("environment_id='prod'", "Invalid option 'environment_id': expected a whole number, got 'prod'"),
        ("environment_id=1.5", "Invalid option 'environment_id': expected a whole number, got 1.5"),
        ("version=['2']", f"Invalid option 'version': {_TEXT}, got a list of 1 item"),
        ("environment=5", f"Invalid option 'environment': {_TEXT}, got 5"),
        ("cdn_environment=5", f"Invalid option 'cdn_environment': {_TEXT}, got 5"),
        ("cdn_base_path='ftp://x'", "Invalid option 'cdn_base_path': expected a host, with an optional scheme and port, got 'ftp://x'"),
        ("artifact_cache=5", "Invalid option 'artifact_cache': expected an object with the methods get and set, got 5"),
        ("pool_manager='x'", "Invalid option 'pool_manager': expected an object with a method request, got 'x'"),
    ],
    "unknown choice": [
        ("decisioning_method='ondevice'", _METHOD + "; did you mean 'on-device'?"),
        ("artifact_format='zip'", "Invalid option 'artifact_format': expected 'json' or 'bin', got 'zip'"),
        ("on_error='ignore'", "Invalid option 'on_error': expected 'raise' or 'default', got 'ignore'"),
    ],
    "events": [
        ("events=['client_ready']", "Invalid option 'events': expected a dict from event name to callable, got a list of 1 item"),
        ("events={'client_ready': 5}", "Invalid option 'events.client_ready': expected a callable, got 5"),
    ],
    "subscriber with other parameters": [
        (
            "events={'client_ready': two}",
            "Invalid option 'events.client_ready': expected a callable that takes the event, or no argument, "
            "got two(first, second)",
        ),
    ],
    "subscriber that is a coroutine function": [
        (
            "events={'client_ready': coroutine}",
            "Invalid option 'events.client_ready': coroutine(answer) is a coroutine function or a generator function; "
            "calling it would not run its body",
        ),
    ],
    "artifact in artifact_payload": [
        ("artifact_payload='rules.json'", f"Invalid option 'artifact_payload': expected a dict, got 'rules.json'; {_PAYLOAD}"),
        ("artifact_payload=b'{}'", f"Invalid option 'artifact_payload': expected a dict, got b'{{}}'; {_PAYLOAD}"),
        ("artifact_payload=[1]", "artifact_payload: expected a dict, got a list of 1 item"),
    ],
    "artifact_location": [
        ("artifact_location='missing.json'", f"Invalid option 'artifact_location': {_LOCATION}, got 'missing.json'"),
        ("artifact_location='file:///missing.json'", f"Invalid option 'artifact_location': {_LOCATION}, got 'file:///missing.json'"),
        ("artifact_location='ftp://host/rules.json'", f"Invalid option 'artifact_location': {_LOCATION}, got 'ftp://host/rules.json'"),
        ("artifact_location='ftp://user:key@host/'", f"Invalid option 'artifact_location': {_LOCATION}"),
    ],
    "text in place of a list": [
        (
            "on_device_all_matching_rules_mboxes='home'",
            "Invalid option 'on_device_all_matching_rules_mboxes': expected a list of names, got 'home'",
        ),
    ],
    "number out of range": [
        ("max_workers=0", "Invalid option 'max_workers': expected a number of threads of at least 1, got 0"),
        ("max_workers=1.5", "Invalid option 'max_workers': expected a number of threads of at least 1, got 1.5"),
        ("max_pending=0", "Invalid option 'max_pending': expected a number of calls of at least 1, got 0"),
        ("max_connections=0", "Invalid option 'max_connections': expected a number of connections of at least 1, got 0"),
        ("retries=0", "Invalid option 'retries': expected a number of attempts of at least 1, got 0"),
        ("max_response_bytes=0", "Invalid option 'max_response_bytes': expected a number of bytes of at least 1, got 0"),
    ],
    "misspelled setting": [
        ("circuit_breaker={'failure': 3}", "Invalid option 'circuit_breaker': unknown name 'failure'; did you mean 'failures'?"),
        ("max_response_bytes={'deliver': 1}", "Invalid option 'max_response_bytes': unknown name 'deliver'; did you mean 'delivery'?"),
    ],
    "headers": [
        ("headers='x'", f"Invalid option 'headers': {_HEADERS}, got str"),
        ("headers={'X-Key': 5}", "Invalid option 'headers': expected printable ASCII text as the value of 'X-Key', got int"),
        ("headers={'Host': 'x'}", "Invalid option 'headers': the SDK sets or forbids the header 'Host'"),
        ("proxy_headers='x'", "Invalid option 'proxy_headers': expected a dict of printable ASCII text, got a str (value not shown)"),
    ],
    "proxy": [
        ("proxy='ftp://user:key@host'", f"Invalid option 'proxy': {_PROXY}, got a str (value not shown)"),
        ("proxy=5", f"Invalid option 'proxy': {_PROXY}, got an int (value not shown)"),
    ],
    "certificate files": [
        ("ca_certs='/missing.pem'", f"Invalid option 'ca_certs': {_PATH}, got '/missing.pem'"),
        ("client_cert='/missing.pem'", f"Invalid option 'client_cert': {_PATH}, got a str (value not shown)"),
        (
            "client_cert=('a.pem',)",
            "Invalid option 'client_cert': expected a PEM path, (certificate, key) or (certificate, key, password), "
            "got a tuple of 1 item",
        ),
    ],
}  # fmt: skip


class CallMistake(NamedTuple):
    """A mistaken call in Python, and the text of the error that it raises."""

    kind: str
    code: str
    text: str
    #: The forms of a call in which the mistake can occur.
    forms: Tuple[str, ...] = ("blocking", "callback", "awaited")


_BLOCKING = ("blocking",)
_WITHOUT_CALLBACK = ("blocking", "awaited")
_COOKIE = "expected the value of the cookie as text, or the dict that an answer contains"
_NO_OPTIONS = "Options are required"
_NO_REQUEST = "Request object of type DeliveryRequest is required"
_EXECUTE = "Either pageLoad or mboxes is required in execute"
_PREFETCH = "Either views, pageLoad or mboxes is required in prefetch"
_NOTHING = "request: it has no execute, prefetch or notifications, so it asks for nothing"
_NAMES = "Invalid argument 'mbox_names': "

_C = CallMistake
CALLS: List[CallMistake] = [
    _C("no options", "get_offers(None)", _NO_OPTIONS, _WITHOUT_CALLBACK),
    _C("no options", "get_offers({})", _NO_OPTIONS, _WITHOUT_CALLBACK),
    _C("no options", "send_notifications(None)", _NO_OPTIONS, _WITHOUT_CALLBACK),
    _C("options of another type", "get_offers('home')", "Invalid argument 'options': expected a dict, got 'home'"),
    _C("options of another type", "get_offers([1])", "Invalid argument 'options': expected a dict, got a list of 1 item"),
    _C("options of another type", "get_attributes(['a'], 'x')", "Invalid argument 'options': expected a dict, got 'x'"),
    _C("option given twice", "get_offers({'request': request, 'timeout': 5}, timeout=6)",
       "Invalid option 'timeout': given both in the dict and as a keyword argument"),
    _C("no request", "get_offers({'timeout': 50})", _NO_REQUEST),
    _C("request as options", "get_offers(DeliveryRequest(execute=ExecuteRequest(mboxes=[mbox])))",
       "Invalid argument 'options': expected a dict, got a DeliveryRequest; did you mean request=?"),
    _C("request as options", "get_offers({'execute': execute})", _NO_REQUEST + "; did you mean request=?"),
    _C("request as options", "send_notifications(notifications=[])", _NO_REQUEST + "; did you mean request=?"),
    _C("request of another type", "get_offers(request='home')", _NO_REQUEST + ", got a str (value not shown); a dict is accepted, too"),
    _C("request of another type", "get_offers(request=b'{}')", _NO_REQUEST + ", got a bytes (value not shown); a dict is accepted, too"),
    _C("request of another type", "get_offers(request=[mbox])", _NO_REQUEST + ", got a list of 1 item; a dict is accepted, too"),
    _C("empty request", "get_offers(request={})", _NO_REQUEST),
    _C("empty execute", "get_offers(request={'execute': {}})", _EXECUTE),
    _C("empty execute", "get_offers(request=DeliveryRequest(execute=ExecuteRequest()))", _EXECUTE),
    _C("empty execute", "get_offers(request={'execute': {'mboxes': []}})", _EXECUTE),
    _C("empty prefetch", "get_offers(request={'prefetch': {}})", _PREFETCH),
    _C("empty prefetch", "get_offers(request=DeliveryRequest(prefetch=PrefetchRequest(views=[])))", _PREFETCH),
    _C("no notifications", "send_notifications(request=request)", "Notifications list is required in request"),
    _C("no notifications", "send_notifications(request={'notifications': []})", "Notifications list is required in request"),
    _C("text in place of a list", "get_offers(request=DeliveryRequest(execute=ExecuteRequest(mboxes='home')))",
       "request.execute.mboxes: expected a list of MboxRequest, got a str (value not shown)"),
    _C("text in place of a list", "get_offers(request=DeliveryRequest(prefetch=PrefetchRequest(views='cart')))",
       "request.prefetch.views: expected a list of ViewRequest, got a str (value not shown)"),
    _C("text in place of a list", "get_attributes('flags')", _NAMES + "expected a list of mbox names, got 'flags'"),
    _C("text in place of a list", "get_attributes(b'flags')", _NAMES + "expected a list of mbox names, got b'flags'"),
    _C("one part in place of a list", "get_offers(request=DeliveryRequest(execute=ExecuteRequest(mboxes=mbox)))",
       "request.execute.mboxes: expected a list of MboxRequest, got a MboxRequest"),
    _C("list in place of a part", "get_offers(request=DeliveryRequest(execute=[mbox]))",
       "request.execute: expected an ExecuteRequest or a dict, got a list of 1 item"),
    _C("name in place of an mbox", "get_offers(request=DeliveryRequest(execute=ExecuteRequest(mboxes=['home'])))",
       "request.execute.mboxes[0]: expected a MboxRequest or a dict, got a str (value not shown)"),
    _C("mboxes by position", "get_offers(request=DeliveryRequest(execute=ExecuteRequest([mbox])))",
       "request.execute.page_load: expected a RequestDetails or a dict, got a list of 1 item; did you mean mboxes=?"),
    _C("views by position", "get_offers(request=DeliveryRequest(prefetch=PrefetchRequest([mbox])))",
       "request.prefetch.views[0]: expected a ViewRequest or a dict, got a MboxRequest; did you mean mboxes=?"),
    _C("type by position", "send_notifications(request=DeliveryRequest(notifications=[Notification('display')]))",
       "request.notifications[0].address: expected an Address or a dict, got a str (value not shown); did you mean type=?"),
    _C("tokens", "send_notifications(request=DeliveryRequest(notifications=[Notification(type='click', tokens='abc')]))",
       "request.notifications[0].tokens: expected a list, got a str (value not shown)"),
    _C("tokens", "send_notifications(request={'notifications': [{'type': 'click', 'tokens': 'abc'}]})",
       "request.notifications[0].tokens: expected a list, got a str (value not shown)"),
    _C("tokens", "send_notifications(request=DeliveryRequest(notifications=[Notification(type='click', tokens=[None])]))",
       "request.notifications[0].tokens[0]: expected text, got None"),
    _C("tokens", "send_notifications(request={'notifications': [{'type': 'click', 'tokens': [None]}]})",
       "request.notifications[0].tokens[0]: expected text, got None"),
    _C("request that asks for nothing", "get_offers(request=DeliveryRequest())", _NOTHING),
    _C("request that asks for nothing", "get_offers(request=DeliveryRequest(context=Context(channel='web')))", _NOTHING),
    _C("request that asks for nothing", "get_offers(request={'id': {'tntId': 'v-9'}})", _NOTHING),
    _C("request that asks for nothing", "get_attributes([])", _NOTHING),
    _C("mbox without a name", "get_offers(request=DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest(index=1)])))",
       "request.execute.mboxes[0].name: expected text that is not empty, got None"),
    _C("mbox without a name", "get_offers(request={'prefetch': {'mboxes': [{'name': ''}]}})",
       "request.prefetch.mboxes[0].name: expected text that is not empty, got a str (value not shown)"),
    _C("mbox without a name", "get_offers(request={'execute': {'mboxes': [{'name': 5}]}})",
       "request.execute.mboxes[0].name: expected text that is not empty, got an int (value not shown)"),
    _C("name by position", "get_offers(request=DeliveryRequest(execute=ExecuteRequest(mboxes=[MboxRequest('home')])))",
       "request.execute.mboxes[0].address: expected an Address or a dict, got a str (value not shown); did you mean name=?"),
    _C("name by position", "get_offers(request=DeliveryRequest(prefetch=PrefetchRequest(views=[ViewRequest('cart')])))",
       "request.prefetch.views[0].address: expected an Address or a dict, got a str (value not shown); did you mean name=?"),
    _C("address as text", "get_offers(request={'context': {'address': 'https://shop.example'}, 'execute': execute})",
       "request.context.address: expected an object, got a str (value not shown)"),
    _C("address as text", "get_offers(request=DeliveryRequest(context=Context(channel='web', address='https://shop.example'), execute=execute))",
       "request.context.address: expected an Address or a dict, got a str (value not shown); did you mean url=?"),
    _C("misspelled key", "get_offers(request={'exceute': execute})",
       _NOTHING + "; unknown key 'exceute' in request; did you mean 'execute'?"),
    _C("misspelled key", "get_offers(request={'execute': {'mbox': [{'name': 'home'}]}})",
       _EXECUTE + "; unknown key 'mbox' in request.execute; did you mean 'mboxes'?"),
    _C("misspelled key", "get_offers(request={'prefetch': {'view': [{}]}})",
       _PREFETCH + "; unknown key 'view' in request.prefetch; did you mean 'views'?"),
    _C("misspelled key", "get_offers(request={'execute': {'mboxes': [{'nmae': 'home'}]}})",
       "request.execute.mboxes[0].name: expected text that is not empty, got None; "
       "unknown key 'nmae' in request.execute.mboxes[0]; did you mean 'name'?"),
    _C("misspelled key", "send_notifications(request={'notification': [{'type': 'click'}]})",
       "Notifications list is required in request; unknown key 'notification' in request; did you mean 'notifications'?"),
    _C("misspelled option", "get_offers(reqest={'execute': execute})",
       _NO_REQUEST + "; unknown option 'reqest'; did you mean 'request'?"),
    _C("misspelled option", "send_notifications({'requests': {'notifications': []}, 'timeout': 100})",
       _NO_REQUEST + "; unknown option 'requests'; did you mean 'request'?"),
    _C("dict with a part of another type", "get_offers(request={'execute': {'mboxes': 'home'}})",
       "request.execute.mboxes: expected a list, got a str (value not shown)"),
    _C("dict with a part of another type", "get_offers(request={'execute': {'mboxes': ['home']}})",
       "request.execute.mboxes[0]: expected an object, got a str (value not shown)"),
    _C("dict with a part of another type", "get_offers(request={'execute': execute, 'trace': True})",
       "request.trace: expected an object, got True"),
    _C("dict with a part of another type", "get_offers(request={'execute': execute, 'qaMode': 'token-9'})",
       "request.qaMode: expected an object, got a str (value not shown)"),
    _C("dict with a part of another type", "get_offers(request={'execute': {'mboxes': [{'name': 'a', 'parameters': ['b']}]}})",
       "request.execute.mboxes[0].parameters: expected an object, got a list of 1 item"),
    _C("notification", "send_notifications(request={'notifications': [{'mbox': {'name': 'home'}}]})",
       "request.notifications[0].type: expected 'click' or 'display', got None"),
    _C("notification", "send_notifications(request={'notifications': [{'type': 'clicked', 'mbox': {'name': 'home'}}]})",
       "request.notifications[0].type: expected 'click' or 'display', got a str (value not shown)"),
    _C("notification", "send_notifications(request={'notifications': [{'type': 'click', 'timestamp': 'now'}]})",
       "request.notifications[0].timestamp: expected milliseconds since 1970, got a str (value not shown)"),
    _C("notification", "send_notifications(request={'notifications': [{'id': 5, 'type': 'click'}]})",
       "request.notifications[0].id: expected text, got an int (value not shown)"),
    _C("notification", "send_notifications(request={'notifications': {'id': 'n'}})",
       "request.notifications: expected a list, got a dict of 1 item"),
    _C("mbox names", "get_attributes(None)", _NAMES + "expected a list of mbox names, got None"),
    _C("mbox names", "get_attributes({'a': 1})", _NAMES + "expected a list of mbox names, got a dict of 1 item"),
    _C("mbox names", "get_attributes([''])", _NAMES + "item 0 is an empty string"),
    _C("mbox names", "get_attributes(['a', 5])", _NAMES + "item 1 is 5"),
    _C("part of another type", "get_offers(request=DeliveryRequest(id='visitor-9', execute=execute))",
       "request.id: expected a VisitorId or a dict, got a str (value not shown)"),
    _C("part of another type", "get_offers(request=DeliveryRequest(context='web', execute=execute))",
       "request.context: expected a Context or a dict, got a str (value not shown)"),
    _C("value that JSON cannot hold", "get_offers(request={'execute': {'mboxes': [{'name': 'a', 'parameters': {'b': {1}}}]}})",
       "request.execute.mboxes[0].parameters['b']: expected a value that JSON can hold, got a set of 1 item"),
    _C("value that JSON cannot hold", "get_offers(request={'execute': {'mboxes': [{'name': 'a', 'parameters': {'b': 1e999}}]}})",
       "request.execute.mboxes[0].parameters['b']: inf is not a JSON number"),
    _C("seconds in place of milliseconds", "get_offers(request=request, timeout=0.5)",
       "Invalid option 'timeout': expected milliseconds between 1 and 604800000, got 0.5"),
    _C("time limit", "get_offers(request=request, timeout=-1)",
       "Invalid option 'timeout': expected milliseconds between 1 and 604800000, got -1"),
    _C("time limit", "get_attributes(['a'], timeout='soon')",
       "Invalid option 'timeout': expected milliseconds between 1 and 604800000, got 'soon'"),
    _C("cookie", "get_offers(request=request, target_cookie=5)",
       f"Invalid option 'target_cookie': {_COOKIE}, got an int (value not shown)"),
    _C("cookie", "get_offers(request=request, target_cookie=['a', 'b'])",
       f"Invalid option 'target_cookie': {_COOKIE}, got a list of 2 items"),
    _C("cookie", "get_offers(request=request, target_cookie={'mbox': 'a'})",
       f"Invalid option 'target_cookie': {_COOKIE}, got a dict of 1 item"),
    _C("cookie object", "get_offers(request=request, target_cookie=Morsel())",
       f"Invalid option 'target_cookie': {_COOKIE}, got a Morsel of 9 items; did you mean its attribute .value?"),
    _C("cookie object", "get_offers(request=request, target_cookie=Cookie('mbox', 's', 5))",
       f"Invalid option 'target_cookie': {_COOKIE}, got a Cookie of 6 items; did you mean its attribute .value?"),
    _C("consumer id", "get_offers(request=request, consumer_id=['a'])",
       "Invalid option 'consumer_id': expected text that is not empty, got a list of 1 item"),
    _C("customer ids", "get_offers(request=request, customer_ids='c-9')",
       "customer_ids: expected a list of CustomerId or a dict by integration code, got a str (value not shown)"),
    _C("customer ids", "get_offers(request=request, customer_ids=['c-9'])",
       "customer_ids[0]: expected a CustomerId or a dict, got a str (value not shown)"),
    _C("customer ids", "get_offers(request=request, customer_ids={'crm': {'id': 'c-9', 'authState': 5}})",
       "customer_ids['crm']['authState']: expected 0, 1 or 2, got an int (value not shown)"),
    _C("customer ids", "get_offers(request=request, customer_ids={'crm': {}})",
       "customer_ids['crm']: expected an id, or a dict with id and authState, got an empty dict"),
    _C("session id", "get_offers(request=request, session_id=['s-9'])",
       "Invalid option 'session_id': expected text, got a list of 1 item"),
    _C("visitor", "get_offers(request=request, visitor='v-9')",
       "Invalid option 'visitor': expected an Experience Cloud visitor with the method get_visitor_values, got a str (value not shown)"),
    _C("unknown choice", "get_offers(request=request, decisioning_method='edge')", _METHOD),
    _C("callback", "get_offers(request=request, callback='show')", "Callback must be a callable function", _BLOCKING),
    _C("callback", "get_offers(request=request, err_callback=5)", "Callback must be a callable function"),
    _C("callback with other parameters", "get_offers(request=request, callback=none)",
       "Invalid option 'callback': expected a callable that takes one argument, the answer, got none()", _BLOCKING),
    _C("callback with other parameters", "get_offers(request=request, callback=two)",
       "Invalid option 'callback': expected a callable that takes one argument, the answer, got two(first, second)",
       _BLOCKING),
    _C("callback with other parameters", "get_offers(request=request, err_callback=none)",
       "Invalid option 'err_callback': expected a callable that takes one argument, the error, got none()"),
    _C("callback with other parameters", "get_attributes(['a'], callback=Page().show)",
       "Invalid option 'callback': expected a callable that takes one argument, the answer, got Page.show(first, second)",
       _BLOCKING),
    _C("callback with other parameters", "send_notifications(request=displayed, callback=partial(two, 1, 2))",
       "Invalid option 'callback': expected a callable that takes one argument, the answer, got partial()", _BLOCKING),
    _C("callback that is a coroutine function", "get_offers(request=request, callback=coroutine)",
       "Invalid option 'callback': coroutine(answer) is a coroutine function or a generator function; "
       "calling it would not run its body",
       _BLOCKING),
    _C("callback that is a coroutine function", "get_offers(request=request, callback=partial(coroutine))",
       "Invalid option 'callback': partial(answer) is a coroutine function or a generator function; "
       "calling it would not run its body",
       _BLOCKING),
    _C("callback that is a coroutine function", "get_offers(request=request, err_callback=generator)",
       "Invalid option 'err_callback': generator(answer) is a coroutine function or a generator function; "
       "calling it would not run its body"),
]  # fmt: skip

#: Mistakes that are only logged: the kind, the Python code, and the level and text of the log line.
LOGGED: List[Tuple[str, str, str, str]] = [
    ("short time limit", "get_offers(request=request, timeout=19.9)", "WARNING",
     "The option 'timeout' is 19.9 milliseconds; did you mean seconds?"),
    ("misspelled option", "get_offers(request=request, timout=500)", "WARNING",
     "The option 'timout' is unknown and has no effect; did you mean 'timeout'?"),
    ("misspelled option", "get_attributes(['a'], sesion_id='s')", "WARNING",
     "The option 'sesion_id' is unknown and has no effect; did you mean 'session_id'?"),
    ("misspelled option", "send_notifications(request=displayed, target_cookies='a')", "WARNING",
     "The option 'target_cookies' is unknown and has no effect; did you mean 'target_cookie'?"),
    ("misspelled key", "get_offers(request={'execute': {'mboxes': [{'name': 'a', 'paramters': {}}]}})", "WARNING",
     "request.execute.mboxes[0]: the key 'paramters' is unknown and is not sent; did you mean 'parameters'?"),
    ("misspelled key", "get_offers(request=DeliveryRequest(execute={'mboxes': [{'name': 'a'}], 'pageLaod': {}}))", "WARNING",
     "request.execute: the key 'pageLaod' is unknown and is not sent; did you mean 'pageLoad'?"),
    ("Cookie header", "get_offers(request=request, target_cookie='a=b; mbox=session#s#9999999999')", "WARNING",
     "The option 'target_cookie' contains 'mbox=': it must be the value of the cookie only"),
    ("cookie of another kind", "get_offers(request=request, target_cookie='a=b')", "INFO",
     "The option 'target_cookie' is not a Target cookie and is ignored. Later ones are ignored without a message"),
    ("request as events", "get_offers(events=request)", "INFO",
     "The option 'events' of a call is a DeliveryRequest; it is used as 'request'"),
    ("notification of nothing", "send_notifications(request={'notifications': [{'type': 'click', 'tokens': ['t']}]})", "WARNING",
     "request.notifications[0] has no mbox, view or page_load; the edge refuses it"),
    ("timestamp in seconds", "send_notifications(request={'notifications': [{'type': 'click', 'timestamp': 1700000000, 'mbox': {'name': 'a'}}]})", "WARNING",
     "request.notifications[0].timestamp: expected milliseconds since 1970, got 1700000000, which may be seconds"),
    ("timestamp in 1970", "send_notifications(request={'notifications': [{'type': 'click', 'timestamp': 0, 'mbox': {'name': 'a'}}]})", "WARNING",
     "request.notifications[0].timestamp: expected milliseconds since 1970, got 0"),
    ("timestamp in 1970", "send_notifications(request={'notifications': [{'type': 'click', 'timestamp': -5.2, 'mbox': {'name': 'a'}}]})", "WARNING",
     "request.notifications[0].timestamp: expected milliseconds since 1970, got -5"),
]  # fmt: skip
