"""The works that the orbit stands on."""

from turnaround.viz.report import SourceLine

ORBIT_SOURCES = (
    SourceLine(
        stage="Depth",
        title="DepthCrafter: Generating Consistent Long Depth Sequences for Open-world Videos (2024)",
        paper="https://arxiv.org/abs/2409.02095",
        repository="https://github.com/Tencent/DepthCrafter",
        note="How a network tells near from far in every frame so that neighbouring frames agree.",
    ),
    SourceLine(
        stage="Scene, camera path and filling",
        title="Make-It-4D: Synthesizing a Consistent Long-Term Dynamic Scene Video from a Single Image (2023)",
        paper="https://arxiv.org/abs/2308.10257",
        repository="https://github.com/leoShen917/Make-It-4D",
        note="The order of the work: depth, layers, a camera that moves, and a painter for what it uncovers.",
    ),
    SourceLine(
        stage="What to learn from",
        title="Stereo4D: Learning How Things Move in 3D from Internet Stereo Videos (2024)",
        paper="https://arxiv.org/abs/2412.09621",
        repository="https://github.com/Stereo4d/stereo4d-code",
        note="Videos of two eyes as a teacher: each eye shows what the other does not see.",
    ),
    SourceLine(
        stage="Views that do not fit exactly",
        title="Toon3D: Seeing Cartoons from New Perspectives (2024)",
        paper="https://arxiv.org/abs/2405.10320",
        repository="https://github.com/ethanweber/toon3d",
        note="How pictures that were never one exact scene, such as drawings and invented views, are brought into one.",
    ),
)
