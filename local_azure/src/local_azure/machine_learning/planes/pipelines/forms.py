"""Forms of the bodies that several routes about pipelines take: graphs, their parameters, submissions."""

from __future__ import annotations

from local_azure.machine_learning.http.shapes import (
    ANYTHING,
    FLAG,
    SIMPLE,
    TAGS,
    TEXT,
    WORD,
    Items,
    Pairs,
    Record,
    Shape,
)

_PATH = Record({"DataStoreName": TEXT, "RelativePath": TEXT})
_REFERENCE = Record({"Id": TEXT, "Version": WORD})
_DATASET_VALUE = Record({"DataSetReference": _REFERENCE, "SavedDataSetReference": _REFERENCE})

# What every submission may carry, and a published pipeline keeps.
ASSIGNMENTS: dict[str, Shape] = {
    "ParameterAssignments": Pairs(SIMPLE),
    "DataPathAssignments": Pairs(_PATH),
    "DataSetDefinitionValueAssignments": Pairs(_DATASET_VALUE),
    **dict.fromkeys(("Description", "ExperimentName", "RunSource", "RunType", "ScheduleId"), TEXT),
    **dict.fromkeys(("ContinueRunOnStepFailure", "ContinueExperimentOnNodeFailure"), FLAG),
    "tags": TAGS,
    "Tags": TAGS,
    "Properties": TAGS,
}
SUBMISSION = Record(ASSIGNMENTS)

_REGISTRATION = Record({"Name": TEXT, "Description": TEXT, "Tags": Pairs(SIMPLE), "AdditionalTransformations": TEXT})
_SETTING = Record(
    {
        **dict.fromkeys(("Name", "PathOnCompute", "DataStoreName", "AdditionalTransformations"), TEXT),
        "DataStoreMode": TEXT,
        "DatasetOutputOptions": Record({"PathOnDatastore": TEXT, "SourceGlobs": Pairs(ANYTHING)}),
        "DatasetRegistration": _REGISTRATION,
    },
    ("Name",),
)
_ASSIGNED = Items(Record({"Name": TEXT, "Value": SIMPLE, "ValueType": WORD}, ("Name",)))
_MODULE_NODE = Record(
    {
        "Id": TEXT,
        "ModuleId": TEXT,
        "Runconfig": TEXT,
        "RegenerateOutput": FLAG,
        "ModuleParameters": _ASSIGNED,
        "ModuleMetadataParameters": _ASSIGNED,
        "ModuleInputSettings": Items(_SETTING),
        "ModuleOutputSettings": Items(_SETTING),
    },
    ("Id", "ModuleId"),
)
_DATASET_NODE = Record(
    {
        "Id": TEXT,
        "DatasetId": TEXT,
        "DataPathParameterName": TEXT,
        "DataSetDefinition": Record({"ParameterName": TEXT, "Value": _DATASET_VALUE}),
    },
    ("Id",),
)
_END = Record({"NodeId": TEXT, "PortName": TEXT}, ("NodeId", "PortName"))
_EDGE = Record({"SourceOutputPort": _END, "DestinationInputPort": _END}, ("SourceOutputPort", "DestinationInputPort"))
GRAPH = Record({"ModuleNodes": Items(_MODULE_NODE), "DatasetNodes": Items(_DATASET_NODE), "Edges": Items(_EDGE)})

_NAMED = ("Name",)
INTERFACE = Record(
    {
        "Parameters": Items(Record({"Name": TEXT, "DefaultValue": SIMPLE}, _NAMED)),
        "DataPathParameters": Items(Record({"Name": TEXT, "DefaultValue": _PATH}, _NAMED)),
        "DataSetDefinitionParameters": Items(Record({"Name": TEXT}, _NAMED)),
    }
)
PIPELINE = Record(
    {
        **ASSIGNMENTS,
        "Name": TEXT,
        "Version": WORD,
        "Graph": GRAPH,
        "GraphInterface": INTERFACE,
        "EnableNotification": FLAG,
    },
    ("Name", "Graph"),
)
_VERSIONS = Items(Record({"PipelineId": TEXT, "Version": WORD}, ("PipelineId",)))
NEW_ENDPOINT = Record(
    {"Name": TEXT, "Description": TEXT, "PipelineId": TEXT, "Properties": TAGS}, ("Name", "PipelineId")
)
ENDPOINT = Record(
    {
        **dict.fromkeys(("Name", "Description", "SwaggerUrl"), TEXT),
        **dict.fromkeys(("DefaultVersion", "EntityStatus"), WORD),
        "PipelineVersionList": _VERSIONS,
        "Properties": TAGS,
        "tags": TAGS,
    }
)
_RECURRENCE = Record(
    {
        **dict.fromkeys(("Frequency", "Interval"), WORD),
        **dict.fromkeys(("StartTime", "TimeZone"), TEXT),
        "Schedule": Record({"Hours": Items(WORD), "Minutes": Items(WORD), "WeekDays": Items(WORD)}),
    }
)
_TRIGGER = Record(
    {
        **dict.fromkeys(("DataStoreName", "PathOnDataStore", "DataPathParameterName"), TEXT),
        "PollingInterval": WORD,
    }
)
SCHEDULE = Record(
    {
        **dict.fromkeys(("Name", "PipelineId", "PipelineEndpointId"), TEXT),
        **dict.fromkeys(("ScheduleType", "EntityStatus"), WORD),
        "PipelineSubmissionInfo": SUBMISSION,
        "Recurrence": _RECURRENCE,
        "DataStoreTriggerInfo": _TRIGGER,
    }
)
